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
    /** How the newest link came about: the name of a relay, or `direct`. */
    wayTo: (at: NetNode, of: NetNode): string | undefined => {
      const { observations } = json(at, "why", `node/${of.name}`) as { observations: { what: string }[] };
      for (const { what } of observations) {
        const [opened, via] =
          /^(?:we reached it|it reached us) on link \d+(?: through (\S+))?$/.exec(what) ?? [];
        if (opened !== undefined) return via ?? "direct";
      }
      return undefined;
    },
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

const isRelay = (way: string | undefined): way is string => way?.startsWith("beta-") === true;

suite("two nodes of a site that cannot see each other", { skip: whyNoNamespaces() ?? false }, () => {
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

  test("keep a link through another site, read each other's logs over it, and are nobody's dead", async () => {
    fleet.topology.cutPair(a1.host, a2.host);
    await eventually("a link is relayed", () => isRelay(ask.wayTo(a1, a2)), 40_000);
    assert.equal(ask.logs(a1, a2), "here is alfa-2\n");
    assert.equal(ask.logs(a2, a1), "here is alfa-1\n");
    for (const node of fleet.nodes)
      for (const other of fleet.nodes) assert.equal(ask.verdict(node, other), "alive");
  });

  test("another relay takes over when the first one dies", async () => {
    const first = ask.wayTo(a1, a2);
    assert.ok(isRelay(first));
    fleet.killAgent(fleet.node(first));
    await eventually(
      "the other one carries the link",
      () => {
        const now = ask.wayTo(a1, a2);
        return isRelay(now) && now !== first;
      },
      40_000,
    );
    assert.equal(ask.logs(a1, a2), "here is alfa-2\n");
    assert.equal(ask.verdict(a1, a2), "alive");
    await fleet.start(fleet.node(first));
  });

  test("are linked directly again once the way is open, without a moment of doubt", async () => {
    fleet.topology.healPair(a1.host, a2.host);
    await eventually("the newest link is direct", () => ask.wayTo(a1, a2) === "direct", 40_000);
    await eventually("to both ends", () => ask.wayTo(a2, a1) === "direct", 20_000);
    assert.equal(ask.verdict(a1, a2), "alive");
    assert.equal(ask.logs(a1, a2), "here is alfa-2\n");
  });

  test("a node whose address changes is back by itself, under its new address", async () => {
    a2.host = fleet.topology.moveHost(a2.host, 99);
    // Until somebody notices that it is gone from its old address, all hold it for alive.
    await eventually("its logs are read", () => ask.logs(a1, a2) === "here is alfa-2\n", 40_000);
    await eventually(
      "all see it, and it sees all",
      () =>
        fleet.nodes.every((node) => ask.verdict(node, a2) === "alive" && ask.verdict(a2, node) === "alive"),
      40_000,
    );
    await eventually(
      "all hold the same state",
      () => new Set(fleet.nodes.map((node) => ask.status(node).stateHash)).size === 1,
      30_000,
    );
  });

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
