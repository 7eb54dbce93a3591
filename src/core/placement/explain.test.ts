import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { PlaceNode, SlotExplanation, Workload } from "./contract.ts";
import { explain } from "./decide.ts";
import { inputOf, node, planOf, pod, refOf, settle, workload, type View, since } from "./testbed.ts";

const ids = ["oslo-1", "oslo-2", "bern-1", "bern-2", "rome-1"];
const name = (id: string): string => `name-${id}`;
const explained = (view: View, ref = refOf("w")): readonly SlotExplanation[] =>
  explain(inputOf(view, "oslo-1"), ref);

/** Who would start a slot, in the order in which they line up. */
function lineUp(view: View, slot: string): string[] {
  return view.nodes
    .flatMap((node) => planOf(view, node.id).starts.map((start) => ({ ...start, node: node.name })))
    .filter((start) => start.slot === slot && start.workload.name === "w")
    .sort((left, right) => left.after - right.after)
    .map(({ node }) => node);
}

const anyNode = (id: string): fc.Arbitrary<PlaceNode> =>
  fc
    .record({
      cordoned: fc.constantFrom(false, false, true),
      labels: fc.constantFrom({ disk: "ssd" }, { disk: "ssd" }, {}),
      verdict: fc.constantFrom("alive" as const, "alive" as const, "dead" as const),
      allocatable: fc.record({
        cpuMilli: fc.constantFrom(5, 1_000, 16_000),
        memoryBytes: fc.constant(100),
        pods: fc.constantFrom(0, 10),
      }),
    })
    .map((parts) => node(id, parts));
const anyNodes = fc.tuple(...ids.map(anyNode));
const oneSlot: fc.Arbitrary<Workload> = fc
  .constantFrom<Workload["spread"]>(
    { type: "mesh", replicas: 1 },
    { type: "per-site", replicas: 1, sites: {} },
    { type: "per-node" },
  )
  .map((spread) => workload("w", { spread, nodeSelector: { disk: "ssd" } }));

test("for workloads of one slot per group the ranking is the order in which the nodes line up to start it", () => {
  fc.assert(
    fc.property(anyNodes, oneSlot, (nodes, of) => {
      const view: View = { nodes, workloads: [of], pods: [] };
      for (const { slot, ranking } of explained(view)) {
        assert.deepEqual(
          ranking.map(({ node }) => node),
          lineUp(view, slot),
          slot,
        );
      }
    }),
    { numRuns: 200 },
  );
});

test("every slot that anybody starts is explained, and nobody who is excluded starts it", () => {
  fc.assert(
    fc.property(anyNodes, oneSlot, fc.integer({ min: 1, max: 3 }), (nodes, of, replicas) => {
      const spread = of.spread.type === "per-node" ? of.spread : { ...of.spread, replicas };
      const view: View = { nodes, workloads: [{ ...of, spread }], pods: [] };
      const bySlot = new Map(explained(view).map((slot) => [slot.slot, slot] as const));
      for (const { id, name } of nodes) {
        for (const { slot } of planOf(view, id).starts) {
          assert.ok(bySlot.get(slot)?.ranking.some(({ node }) => node === name) === true, slot);
          assert.ok(bySlot.get(slot)?.excluded.every(({ node }) => node !== name) === true, slot);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test("a node is ranked or excluded, never both and never neither, in every slot of a mesh-wide workload", () => {
  fc.assert(
    fc.property(anyNodes, (nodes) => {
      const of = workload("w", { nodeSelector: { disk: "ssd" } });
      for (const { ranking, excluded } of explained({ nodes, workloads: [of], pods: [] })) {
        const named = [...ranking, ...excluded].map(({ node }) => node);
        assert.deepEqual(named.sort(), nodes.map(({ name }) => name).sort());
      }
    }),
    { numRuns: 50 },
  );
});

test("for any workloads of several slots, too, each ranking is the order in which the nodes line up", () => {
  const replicas = fc.integer({ min: 1, max: 4 });
  const spread = fc.oneof(
    replicas.map((replicas) => ({ type: "mesh" as const, replicas })),
    replicas.map((replicas) => ({ type: "per-site" as const, replicas, sites: {} })),
    fc.constant({ type: "per-node" as const }),
  );
  const requests = fc.constantFrom({ cpuMilli: 10, memoryBytes: 1 }, { cpuMilli: 400, memoryBytes: 40 });
  fc.assert(
    fc.property(anyNodes, spread, spread, requests, (nodes, one, other, requests) => {
      const workloads = [
        workload("a", { spread: other, requests }),
        workload("w", { spread: one, requests }),
      ];
      const view: View = { nodes, workloads, pods: [] };
      for (const { slot, ranking } of explained(view)) {
        const told = ranking.map(({ node }) => node);
        assert.deepEqual(told, lineUp(view, slot), slot);
      }
    }),
    { numRuns: 300 },
  );
});

test("each filter says by name what it wanted and what it saw", () => {
  const small = { cpuMilli: 4_000, memoryBytes: 1_000, pods: 10 };
  const cases: readonly (readonly [Partial<PlaceNode>, string, string])[] = [
    [{ verdict: "unreachable" }, "reachable", "the node is unreachable"],
    [{ verdict: "dead" }, "reachable", "the node is dead"],
    [{ cordoned: true }, "schedulable", "the node is cordoned"],
    [{ labels: {} }, "nodeSelector", "wants disk=ssd, the node has no such label"],
    [{ labels: { disk: "hdd" } }, "nodeSelector", "wants disk=ssd, the node has hdd"],
    [
      { taints: [{ key: "gpu", value: "a", effect: "NoSchedule", since: 0 }] },
      "taint",
      "the node has gpu=a:NoSchedule",
    ],
    [{ runtimes: ["oci"] }, "runtime", "wants the runtime process, the node has oci"],
    [{ runtimes: [] }, "runtime", "wants the runtime process, the node has none"],
    [{ allocatable: { ...small, cpuMilli: 99 } }, "cpu", "wants 100m, 99m are free"],
    [{ allocatable: { ...small, memoryBytes: 49 } }, "memory", "wants 50 bytes, 49 are free"],
    [{ allocatable: { ...small, pods: 0 } }, "pods", "0 of 0 pods run there"],
  ];
  const of = workload("w", {
    spread: { type: "mesh", replicas: 1 },
    nodeSelector: { disk: "ssd" },
    requests: { cpuMilli: 100, memoryBytes: 50 },
  });
  const fits = { labels: { disk: "ssd" }, allocatable: { cpuMilli: 100, memoryBytes: 50, pods: 1 } };
  for (const [parts, filter, detail] of cases) {
    const [slot] = explained({ nodes: [node("oslo-1", { ...fits, ...parts })], workloads: [of], pods: [] });
    assert.deepEqual(slot?.excluded, [{ node: name("oslo-1"), filter, detail }]);
  }
  const [slot] = explained({ nodes: [node("oslo-1", fits)], workloads: [of], pods: [] });
  assert.deepEqual(slot?.excluded, []);
});

test("taints are tolerated by key and value, by key alone, by effect, or all at once, as in Kubernetes", () => {
  type Tolerations = Workload["tolerations"];
  const cases: readonly (readonly [Tolerations, boolean])[] = [
    [[], false],
    [[{ key: "gpu", operator: "Equal", value: "a" }], true],
    [[{ key: "gpu", operator: "Equal", value: "b" }], false],
    [[{ key: "gpu", operator: "Equal" }], false],
    [[{ key: "gpu", operator: "Exists" }], true],
    [[{ key: "cpu", operator: "Exists" }], false],
    [[{ operator: "Exists" }], true],
    [[{ operator: "Equal", value: "a" }], false],
    [[{ key: "gpu", operator: "Exists", effect: "NoSchedule" }], true],
    [[{ key: "gpu", operator: "Exists", effect: "" }], true],
    [[{ key: "gpu", operator: "Exists", effect: "NoExecute" }], false],
  ];
  const tainted = node("oslo-1", { taints: [{ key: "gpu", value: "a", effect: "NoSchedule", since: 0 }] });
  for (const [tolerations, tolerated] of cases) {
    const [slot] = explained({ nodes: [tainted], workloads: [workload("w", { tolerations })], pods: [] });
    assert.equal(slot?.excluded.length === 0, tolerated, JSON.stringify(tolerations));
  }
});

test("a PreferNoSchedule taint excludes nobody and ranks its node last", () => {
  const taints = [{ key: "slow", value: "", effect: "PreferNoSchedule", since: 0 }];
  for (const avoided of ids) {
    const nodes = ids.map((id) => node(id, id === avoided ? { taints } : {}));
    const [slot] = explained({ nodes, workloads: [workload("w")], pods: [] });
    assert.equal(slot?.ranking.at(-1)?.node, name(avoided));
    assert.equal(slot?.ranking.length, ids.length);
  }
});

test("whoever runs a slot is its holder and leads its ranking; what is odd about a copy is noted", () => {
  const of = workload("w", { spread: { type: "mesh", replicas: 1 } });
  const note = (
    parts: Partial<Parameters<typeof pod>[4]>,
    on: Partial<PlaceNode> = {},
  ): string | undefined => {
    const nodes = ids.map((id) => node(id, id === "bern-2" ? on : {}));
    const pods = [pod("p", "bern-2", of, "mesh/0", parts)];
    const [slot] = explained({ nodes, workloads: [of], pods });
    assert.equal(slot?.heldBy[0]?.node, name("bern-2"));
    return slot?.heldBy[0]?.note;
  };
  assert.equal(note({}), "ready");
  assert.equal(note({ ready: false }), "not ready");
  assert.equal(note({ ended: true }), "ended");
  assert.equal(note({ revision: "r0" }), "ready, older revision r0");
  assert.equal(note({}, { verdict: "dead" }), "ready, counts as lost: dead");
  assert.equal(
    note({}, { verdict: "unreachable", ...since(59_999) }),
    "ready, unreachable, still holds the slot",
  );
  assert.equal(note({}, { verdict: "unreachable", ...since(60_000) }), "ready, counts as lost: unreachable");
  const settled = settle({ nodes: ids.map((id) => node(id)), workloads: [of], pods: [] });
  const [slot] = explained(settled);
  assert.equal(slot?.ranking[0]?.node, slot?.heldBy[0]?.node);
  assert.equal(slot?.ranking[0]?.note, "runs it now");
});

test("a copy on a node that is no member any more is shown as such, and an unknown workload has no slots", () => {
  const of = workload("w", { spread: { type: "mesh", replicas: 1 } });
  const view: View = { nodes: [node("oslo-1")], workloads: [of], pods: [pod("p", "gone", of, "mesh/0")] };
  assert.deepEqual(explained(view)[0]?.heldBy, [
    { uid: "p", node: "gone", note: "ready, its node is no member" },
  ]);
  assert.deepEqual(explained(view, refOf("other")), []);
});
