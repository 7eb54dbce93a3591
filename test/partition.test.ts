import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { layoutOf } from "../src/shells/identity-file/layout.ts";
import { deployment } from "./support/manifests.ts";
import { createNetFleet, type NetFleet, type NetNode } from "./support/net-fleet.ts";
import { whyNoNamespaces } from "./support/netns.ts";
import { eventually } from "./support/poll.ts";

/** Real agents on real networks: two sites of two nodes behind a router whose cables are pulled. */

const skip = whyNoNamespaces() ?? false;

type Pod = {
  readonly metadata: {
    readonly name: string;
    readonly labels: { readonly [label: string]: string };
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses: readonly { readonly containerID: string; readonly restartCount: number }[];
  };
};

const perSite = { "starlight.dev/placement": "perSite" };
const manifest = JSON.stringify(deployment("shop", "exec sleep 100000", 2, perSite));

suite("partitions of real networks", { skip }, () => {
  let fleet: NetFleet;
  let a1: NetNode;
  let a2: NetNode;
  let b1: NetNode;
  let b2: NetNode;

  before(async () => {
    fleet = await createNetFleet("slpart", { alfa: 2, beta: 2 });
    [a1, a2, b1, b2] = ["alfa-1", "alfa-2", "beta-1", "beta-2"].map(fleet.node) as [
      NetNode,
      NetNode,
      NetNode,
      NetNode,
    ];
  });
  after(() => {
    fleet?.remove();
  });

  const pods = (at: NetNode, site: string): Pod[] => {
    const { items } = JSON.parse(fleet.starlight(at, ["get", "pods", "-o", "json"])) as { items: Pod[] };
    return items.filter(
      ({ metadata, status }) =>
        metadata.labels["topology.kubernetes.io/zone"] === site &&
        metadata.deletionTimestamp === undefined &&
        status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True"),
    );
  };
  const status = (at: NetNode): { stateHash: string; nodes: { name: string; verdict: string }[] } =>
    JSON.parse(fleet.starlight(at, ["status", "-o", "json"])) as ReturnType<typeof status>;
  const verdict = (at: NetNode, about: NetNode): string | undefined =>
    status(at).nodes.find(({ name }) => name === about.name)?.verdict;
  const processes = (list: readonly Pod[]): Map<string, string> =>
    new Map(
      list.map(({ metadata, status: { containerStatuses } }) => [
        metadata.name,
        containerStatuses.map(({ containerID }) => containerID).join(),
      ]),
    );
  const replicasSeen = (at: NetNode): number =>
    (
      JSON.parse(fleet.starlight(at, ["get", "deployment", "shop", "-o", "json"])) as {
        spec: { replicas: number };
      }
    ).spec.replicas;

  test("a site that is cut off scales alone, and both sides are one again after the heal without a restart", async () => {
    fleet.starlight(a1, ["apply", "-f", "-"], manifest);
    for (const [at, site] of [
      [a1, "alfa"],
      [b1, "beta"],
    ] as const) {
      await eventually(`${site} runs two copies`, () => pods(at, site).length === 2);
    }
    const before = new Map([...processes(pods(a1, "alfa")), ...processes(pods(b1, "beta"))]);

    fleet.topology.cutSite("beta");
    await eventually(
      "each side sees the other as unreachable",
      () => verdict(a1, b1) === "unreachable" && verdict(b2, a2) === "unreachable",
    );
    fleet.starlight(b1, ["scale", "deployment/shop", "--replicas", "3"]);
    await eventually("beta runs three copies", () => pods(b2, "beta").length === 3);
    assert.equal(pods(a1, "alfa").length, 2);
    fleet.starlight(a2, ["scale", "deployment/shop", "--replicas", "2"]);

    fleet.topology.healSite("beta");
    await eventually(
      "all hold the same state",
      () => new Set(fleet.nodes.map((node) => status(node).stateHash)).size === 1,
      30_000,
    );
    assert.equal(replicasSeen(a1), replicasSeen(b1));
    await eventually(
      "each site runs what the merge wants",
      () => pods(a1, "alfa").length === replicasSeen(a1) && pods(b1, "beta").length === replicasSeen(a1),
      30_000,
    );
    const now = new Map([...processes(pods(a1, "alfa")), ...processes(pods(b1, "beta"))]);
    const kept = [...before].filter(([name, ids]) => now.get(name) === ids);
    assert.equal(
      kept.length,
      4,
      `of ${[...before.keys()].join(" ")} only ${kept.map(([name]) => name).join(" ")} kept their process`,
    );
  });

  test("a node that loses power while its site is cut off comes back alone and runs what it ran", async () => {
    fleet.starlight(a1, ["scale", "deployment/shop", "--replicas", "4"]);
    await eventually("beta runs four copies", () => pods(b1, "beta").length === 4);
    fleet.topology.cutSite("beta");
    fleet.topology.cutHost(b2.host);
    await eventually("beta-1 is alone", () => verdict(b1, b2) !== "alive" && verdict(b1, a1) !== "alive");
    fleet.powerOff(b1);
    const from = performance.now();
    await fleet.start(b1);
    const own = await eventually("beta-1 runs copies on its own", () => {
      const running = pods(b1, "beta").filter(({ spec }) => spec.nodeName === b1.name);
      return running.length >= 2 && running;
    });
    assert.ok(performance.now() - from < 15_000);
    assert.ok(own.every(({ status: { containerStatuses } }) => containerStatuses.length === 1));
    fleet.topology.healHost(b2.host);
    fleet.topology.healSite("beta");
    await eventually(
      "all hold the same state",
      () => new Set(fleet.nodes.map((node) => status(node).stateHash)).size === 1,
      30_000,
    );
    await eventually("beta runs four copies, no more", () => pods(b1, "beta").length === 4, 30_000);
  });

  test("no acknowledged write is lost when the agent is killed in the middle of writing, again and again", async () => {
    const script = fileURLToPath(new URL("support/writer.ts", import.meta.url));
    const { kubeconfig } = layoutOf(a1.data);
    const writer = fleet.topology.spawn(
      a1.host,
      process.execPath,
      ["--disable-warning=ExperimentalWarning", script, kubeconfig, `${a1.host.address}:7070`, "load"],
      { env: process.env, stdio: "pipe" },
    );
    let printed = "";
    writer.stdout?.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    const acknowledged = (): string[] => printed.split("\n").slice(0, -1);
    for (let round = 1; round <= 4; round++) {
      const goal = acknowledged().length + 25;
      await eventually("writes are acknowledged", () => acknowledged().length >= goal);
      fleet.killAgent(a1);
      await fleet.start(a1);
    }
    const goal = acknowledged().length + 10;
    await eventually("writes go on", () => acknowledged().length >= goal);
    writer.kill("SIGKILL");
    const names = acknowledged();
    assert.ok(names.length >= 100);
    for (const node of [a1, b2]) {
      await eventually(`${node.name} has every one of them`, () => {
        const { items } = JSON.parse(fleet.starlight(node, ["get", "configmaps", "-o", "json"])) as {
          items: { metadata: { name: string } }[];
        };
        const held = new Set(items.map(({ metadata }) => metadata.name));
        const lost = names.filter((name) => !held.has(name));
        if (lost.length > 0)
          throw new Error(`${lost.length} of ${names.length} are missing: ${lost.slice(0, 5).join(" ")}`);
        return true;
      });
    }
  });
});
