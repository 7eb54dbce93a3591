import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { PlaceNode, PlacePod, Workload, WorkloadSpread } from "./contract.ts";
import { node, planOf, pod, running, settle, workload, type View, now, since } from "./testbed.ts";

const ids = ["oslo-1", "oslo-2", "oslo-3", "bern-1", "bern-2", "rome-1", "rome-2"];
const taint = fc.record(
  {
    key: fc.constant("gpu"),
    value: fc.constantFrom("", "yes"),
    effect: fc.constantFrom("NoSchedule", "NoExecute", "PreferNoSchedule"),
    since: fc.constant(0),
  },
  { noNullPrototype: true },
);
const anyNode = (id: string): fc.Arbitrary<PlaceNode> =>
  fc
    .record({
      region: fc.constantFrom("north", "south"),
      labels: fc.constantFrom({}, { disk: "ssd" }, { disk: "hdd" }),
      taints: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.tuple(taint) }),
      cordoned: fc.constantFrom(false, false, false, true),
      allocatable: fc.record({
        cpuMilli: fc.constantFrom(0, 100, 4_000, 64_000),
        memoryBytes: fc.constantFrom(0, 100, 8_000),
        pods: fc.constantFrom(0, 1, 3, 100),
      }),
      runtimes: fc.constantFrom(["process"], ["process", "oci"], []),
      verdict: fc.constantFrom(
        "alive" as const,
        "alive" as const,
        "alive" as const,
        "unreachable" as const,
        "dead" as const,
      ),
      verdictSince: fc.constantFrom(0, 699, 700, 9_999, 59_999, 60_000, 1_000_000).map((ms) => now - ms),
      lostBySite: fc.boolean(),
    })
    .map((parts) => node(id, parts));
const spread: fc.Arbitrary<WorkloadSpread> = fc.oneof(
  fc.record({ type: fc.constant("mesh" as const), replicas: fc.nat(5) }),
  fc.record({
    type: fc.constant("per-site" as const),
    replicas: fc.nat(3),
    sites: fc.constantFrom({}, { name: ["oslo", "rome"] }, { region: ["south"] }),
  }),
  fc.constant({ type: "per-node" as const }),
);
const anyWorkload = (name: string): fc.Arbitrary<Workload> =>
  fc
    .record({
      spread,
      revision: fc.constantFrom("r1", "r2"),
      nodeSelector: fc.constantFrom({}, {}, { disk: "ssd" }),
      tolerations: fc.constantFrom([], [], [{ operator: "Exists" as const }]),
      requests: fc.constantFrom({ cpuMilli: 10, memoryBytes: 1 }, { cpuMilli: 90, memoryBytes: 60 }),
      runtime: fc.constantFrom("process", "process", "oci"),
      updatesAtOnce: fc.integer({ min: 1, max: 2 }),
    })
    .map((parts) => workload(name, parts));
const slot = fc.constantFrom(
  "mesh/0",
  "mesh/1",
  "mesh/2",
  "site/oslo/0",
  "site/bern/1",
  "node/oslo-1",
  "node/rome-2",
);
const view: fc.Arbitrary<View> = fc
  .record({
    nodes: fc.tuple(...ids.map(anyNode)),
    workloads: fc.tuple(anyWorkload("a"), anyWorkload("b")),
    drafts: fc.array(
      fc.record({
        on: fc.constantFrom(...ids),
        of: fc.nat(1),
        slot,
        revision: fc.constantFrom("r1", "r2"),
        claimedAt: fc.nat(3),
        ended: fc.constantFrom(false, false, true),
        ready: fc.boolean(),
      }),
      { maxLength: 10 },
    ),
  })
  .map(({ nodes, workloads, drafts }) => {
    const pods = drafts.map(({ on, of, slot, ...parts }, at): PlacePod => {
      return pod(`p${at}`, on, workloads[of] ?? workloads[0], slot, parts);
    });
    return { nodes, workloads, pods };
  });

const used = (view: View, id: string, what: "cpuMilli" | "memoryBytes"): number =>
  view.pods
    .filter(({ node, ended }) => node === id && !ended)
    .reduce((sum, { requests }) => sum + requests[what], 0);

/** Written down anew, not taken from the code: whether a node may get one more copy. */
function mayTake(
  view: View,
  to: PlaceNode,
  { nodeSelector, tolerations, runtime, requests }: Workload,
): boolean {
  const pods = view.pods.filter(({ node, ended }) => node === to.id && !ended).length;
  return (
    to.verdict === "alive" &&
    !to.cordoned &&
    to.runtimes.includes(runtime) &&
    Object.entries(nodeSelector).every(([label, value]) => to.labels[label] === value) &&
    (tolerations.length > 0 || to.taints.every(({ effect }) => effect === "PreferNoSchedule")) &&
    used(view, to.id, "cpuMilli") + requests.cpuMilli <= to.allocatable.cpuMilli &&
    used(view, to.id, "memoryBytes") + requests.memoryBytes <= to.allocatable.memoryBytes &&
    pods + 1 <= to.allocatable.pods
  );
}

test("the same view gives the same plan, in whatever order its nodes, workloads and pods are listed", () => {
  fc.assert(
    fc.property(view, fc.constantFrom(...ids), fc.infiniteStream(fc.nat(1_000)), (view, self, keys) => {
      const mix = <T>(items: readonly T[]): T[] =>
        items
          .map((item) => ({ item, key: keys.next().value ?? 0 }))
          .sort((left, right) => left.key - right.key)
          .map(({ item }) => item);
      const mixed = { nodes: mix(view.nodes), workloads: mix(view.workloads), pods: mix(view.pods) };
      assert.deepEqual(planOf(mixed, self), planOf(view, self));
    }),
    { numRuns: 300 },
  );
});

test("nothing starts where reachability, cordon, selector, taint, runtime, cpu, memory or pod count forbid it", () => {
  fc.assert(
    fc.property(view, (view) => {
      for (const to of view.nodes) {
        for (const { workload, slot } of planOf(view, to.id).starts) {
          const of = view.workloads.find(({ ref }) => ref.name === workload.name);
          assert.ok(of !== undefined && mayTake(view, to, of), `${slot} of ${workload.name} on ${to.id}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("what a node starts at once fits it all together", () => {
  fc.assert(
    fc.property(view, (view) => {
      for (const { id, allocatable } of view.nodes) {
        const starts = planOf(view, id).starts.filter(({ after }) => after === 0);
        const requests = starts.map(
          ({ workload }) => view.workloads.find(({ ref }) => ref === workload)?.requests,
        );
        for (const what of ["cpuMilli", "memoryBytes"] as const) {
          const more = requests.reduce((sum, request) => sum + (request?.[what] ?? 0), 0);
          if (more > 0) assert.ok(used(view, id, what) + more <= allocatable[what], `${what} on ${id}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("a node starts no slot twice, and stops only what is its own and has not ended", () => {
  fc.assert(
    fc.property(view, (view) => {
      for (const { id } of view.nodes) {
        const { starts, stops } = planOf(view, id);
        const slots = starts.map(({ workload, slot }) => `${workload.name} ${slot}`);
        assert.equal(new Set(slots).size, slots.length);
        assert.equal(new Set(stops.map(({ uid }) => uid)).size, stops.length);
        for (const { uid } of stops) {
          const stopped = view.pods.find((pod) => pod.uid === uid);
          assert.ok(stopped?.node === id && !stopped.ended, uid);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("any view whose verdicts stand for long comes to rest, with at most one reachable copy of any slot", () => {
  fc.assert(
    fc.property(view, (view) => {
      const nodes = view.nodes.map((node) => ({ ...node, ...since(1_000_000) }));
      const settled = settle({ ...view, nodes });
      const slots = ["a", "b"].flatMap((name) =>
        running(settled, name).map((at) => `${name} ${at.split("@")[0]}`),
      );
      assert.equal(new Set(slots).size, slots.length, slots.join(", "));
    }),
    { numRuns: 3000 },
  );
});

test("of one workload, every slot without a copy has one node that goes first, and the others 300 ms apart", () => {
  fc.assert(
    fc.property(fc.tuple(...ids.map(anyNode)), anyWorkload("a"), (nodes, of) => {
      const view: View = { nodes, workloads: [of], pods: [] };
      const waits = new Map<string, number[]>();
      for (const { id } of nodes)
        for (const { slot, after } of planOf(view, id).starts)
          waits.set(slot, [...(waits.get(slot) ?? []), after]);
      for (const [slot, afters] of waits) {
        const sorted = afters.sort((left, right) => left - right);
        assert.deepEqual(
          sorted,
          sorted.map((_, rank) => rank * 300),
          slot,
        );
      }
    }),
    { numRuns: 300 },
  );
});
