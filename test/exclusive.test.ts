import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { createExclusiveRig, signal, type ExclusiveRig } from "./support/exclusive-rig.ts";
import type { NetNode } from "./support/net-fleet.ts";
import { whyNoNamespaces } from "./support/netns.ts";
import { eventually } from "./support/poll.ts";

/** Real agents, guards and workloads: the workload's own clock readings never overlap. */

const skip = whyNoNamespaces() ?? false;

suite("an exclusive workload on three real nodes", { skip }, () => {
  let rig: ExclusiveRig;

  before(async () => {
    rig = await createExclusiveRig("slexcl");
    await eventually(
      "the three vote together",
      () => log(rig, "VotersChanged").filter(isOfThree).length >= 3,
      60_000,
    );
  });
  after(() => rig?.remove());

  const held = (): Promise<NetNode> => eventually("it runs", () => rig.holder(), 60_000);
  const movedFrom = async (old: NetNode): Promise<NetNode> => {
    const next = await eventually(
      `it runs elsewhere than on ${old.name}`,
      () => {
        const now = rig.holder();
        return now !== undefined && now !== old ? now : undefined;
      },
      60_000,
    );
    assert.deepEqual(rig.violations(), []);
    return next;
  };

  test("runs once, with a stable name, and the API tells who holds it", async () => {
    const node = await held();
    const pods = JSON.parse(rig.fleet.starlight(node, ["get", "pods", "-o", "json"])) as {
      items: { metadata: { name: string }; spec: { nodeName: string } }[];
    };
    assert.deepEqual(
      pods.items.map(({ metadata, spec }) => [metadata.name, spec.nodeName]),
      [["ledger-0", node.name]],
    );
  });

  test("a holder that is cut off stops before another one starts", async () => {
    const old = await held();
    rig.fleet.topology.cutHost(old.host);
    await movedFrom(old);
    rig.fleet.topology.healHost(old.host);
  });

  test("a holder whose agent is stopped loses it to another, ended by its guard", async () => {
    const old = await held();
    signal(old.agent?.pid, "SIGSTOP");
    await movedFrom(old);
    signal(old.agent?.pid, "SIGCONT");
    // Awake again it starts nothing beside the new holder.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.deepEqual(rig.violations(), []);
  });

  test("an agent that is killed and comes back at once keeps the workload that ran on", async () => {
    const old = await held();
    const { token } = rig.runs().at(-1) ?? { token: 0 };
    rig.fleet.killAgent(old);
    await rig.fleet.start(old);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    assert.equal((await held()).name, old.name);
    assert.equal(rig.runs().at(-1)?.token, token);
    assert.deepEqual(rig.violations(), []);
  });

  test("an agent that is killed for good loses it to another", async () => {
    const old = await held();
    rig.fleet.killAgent(old);
    await movedFrom(old);
    await rig.fleet.start(old);
  });

  test("where two are left that cannot reach each other, nobody runs it, and the heal brings it back", async () => {
    const [a, b] = rig.fleet.nodes;
    assert.ok(a !== undefined && b !== undefined);
    await held();
    rig.fleet.topology.cutHost(a.host);
    rig.fleet.topology.cutHost(b.host);
    await eventually("nobody runs it", () => rig.holder() === undefined, 40_000);
    const stopped = rig.runs().length;
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    assert.equal(rig.runs().length, stopped);
    rig.fleet.topology.healHost(a.host);
    rig.fleet.topology.healHost(b.host);
    await held();
    assert.deepEqual(rig.violations(), []);
  });
});

const isOfThree = (line: string): boolean => line.includes("mesh votes") && line.split("alfa-").length === 4;

function log(rig: ExclusiveRig, reason: string): string[] {
  return rig.fleet.nodes.flatMap(({ data }) =>
    readFileSync(join(data, "agent.log"), "utf8")
      .split("\n")
      .filter((line) => line.includes(reason)),
  );
}
