import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { layoutOf } from "../src/shells/identity-file/layout.ts";
import { kubectlBinary } from "./support/kubectl.ts";
import { createNetFleet, type NetFleet, type NetNode } from "./support/net-fleet.ts";
import { whyNoNamespaces, whyNoNat } from "./support/netns.ts";
import { eventually } from "./support/poll.ts";

/** Real agents on real networks that do not let everybody dial everybody. */

const manifest = `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: talker }
spec:
  selector: { matchLabels: { app: talker } }
  template:
    metadata: { labels: { app: talker } }
    spec:
      runtimeClassName: process
      containers:
        - name: main
          image: host
          command: [/bin/sh, -c, "echo here is $NODE; exec sleep 100000"]
          env: [{ name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
`;

type Nodes = readonly { readonly name: string; readonly verdict: string; readonly addresses?: string[] }[];

/** What the tests ask of a fleet, as a user would. */
function questions(fleet: NetFleet) {
  const json = (at: NetNode, ...args: string[]): unknown =>
    JSON.parse(fleet.starlight(at, [...args, "-o", "json"]));
  const status = (at: NetNode): { stateHash: string; nodes: Nodes } =>
    json(at, "status") as ReturnType<typeof status>;
  const podOn = (at: NetNode, node: NetNode): string | undefined => {
    const { items } = json(at, "get", "pods") as {
      items: {
        metadata: { name: string };
        spec: { nodeName: string };
        status: { phase: string };
      }[];
    };
    return items.find(({ spec, status: { phase } }) => spec.nodeName === node.name && phase === "Running")
      ?.metadata.name;
  };
  return {
    status,
    verdict: (at: NetNode, of: NetNode): string | undefined =>
      status(at).nodes.find(({ name }) => name === of.name)?.verdict,
    why: (at: NetNode, of: NetNode): string => fleet.starlight(at, ["why", `node/${of.name}`]),
    podOn,
    /** What `kubectl logs`, run on the machine of one node, prints of the pod of another. */
    logs: (at: NetNode, of: NetNode): string => {
      const pod = podOn(at, of);
      if (pod === undefined) throw new Error(`${at.name} knows of no running pod on ${of.name}`);
      const { kubeconfig } = layoutOf(fleet.nodes[0]?.data ?? "");
      const server = `https://${at.host.address}:7070`;
      return fleet.topology.run(at.host, kubectlBinary(), [
        "--kubeconfig",
        kubeconfig,
        "--server",
        server,
        "logs",
        pod,
      ]);
    },
  };
}

suite("two sites under a link policy", { skip: whyNoNamespaces() ?? false }, () => {
  let fleet: NetFleet;
  let ask: ReturnType<typeof questions>;
  let a1: NetNode;
  let a2: NetNode;

  before(async () => {
    fleet = await createNetFleet("slreach", { alfa: 2, beta: 2 }, undefined, { everyAddress: true });
    ask = questions(fleet);
    [a1, a2] = [fleet.node("alfa-1"), fleet.node("alfa-2")];
    fleet.starlight(a1, ["apply", "-f", "-"], manifest);
    for (const node of fleet.nodes)
      await eventually(`${node.name} runs its copy`, () => ask.podOn(a1, node) !== undefined, 30_000);
  });
  after(() => fleet?.remove());

  test("a link policy closes links that it forbids, says so, and opens them again when it is gone", async () => {
    const policy = `
apiVersion: starlight.dev/v1
kind: LinkPolicy
metadata: { name: quiet }
spec:
  nodes: { matchLabels: { kubernetes.io/hostname: alfa-2 } }
  allow: [{ within: site }]
`;
    fleet.starlight(a1, ["apply", "-f", "-"], policy);
    const beta = fleet.node("beta-1");
    for (const [at, of] of [
      [a2, beta],
      [beta, a2],
    ] as const)
      await eventually(
        `${at.name} knows why it has no link with ${of.name}`,
        () => ask.why(at, of).includes("link policy quiet forbids"),
        30_000,
      );
    assert.equal(ask.verdict(beta, a2), "alive");
    assert.throws(() => ask.logs(beta, a2), /link policy quiet forbids/);
    fleet.starlight(a2, ["delete", "linkpolicy", "quiet"]);
    await eventually("they are linked again", () => ask.logs(beta, a2) === "here is alfa-2\n", 30_000);
  });
});

suite("a site behind a router that rewrites addresses", { skip: whyNoNat() ?? false }, () => {
  let fleet: NetFleet;
  let ask: ReturnType<typeof questions>;

  before(async () => {
    fleet = await createNetFleet("slnat", { alfa: 2, home: 1, shed: 1 }, undefined, {
      prepare: ({ hideSite }) => {
        hideSite("home");
        hideSite("shed");
      },
    });
    ask = questions(fleet);
  });
  after(() => fleet?.remove());

  test("its node is a full member: it runs workloads, answers for them, and is waited for", async () => {
    const [a1, a2, home, shed] = ["alfa-1", "alfa-2", "home-1", "shed-1"].map(fleet.node) as [
      NetNode,
      NetNode,
      NetNode,
      NetNode,
    ];
    fleet.starlight(home, ["apply", "-f", "-", "--wait", "all"], manifest);
    for (const at of [a1, a2, shed])
      await eventually(
        `${at.name} reads the logs of home-1`,
        () => ask.logs(at, home) === "here is home-1\n",
        40_000,
      );
    assert.equal(ask.logs(home, shed), "here is shed-1\n");
    for (const node of fleet.nodes)
      for (const other of fleet.nodes) assert.equal(ask.verdict(node, other), "alive");
    const note = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: note }, data: { a: b } }";
    fleet.starlight(a1, ["apply", "-f", "-", "--wait", "all"], note);
  });
});
