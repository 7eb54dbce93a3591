import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { PlaceNode, Workload } from "./contract.ts";
import { decide, plannerOf } from "./decide.ts";
import {
  inputOf,
  node,
  planOf,
  pod,
  refOf,
  running,
  settle,
  stopsOf,
  versionAt,
  wall,
  workload,
  type View,
} from "./testbed.ts";

const box = (id: string, cpuMilli: number, tier = "2"): PlaceNode =>
  node(id, {
    labels: { "starlight.dev/tier": tier },
    allocatable: { cpuMilli, memoryBytes: 1_000_000, pods: 100 },
  });
const needs = (name: string, cpuMilli: number, priority: number, parts: Partial<Workload> = {}): Workload =>
  workload(name, {
    spread: { type: "mesh", replicas: 1 },
    requests: { cpuMilli, memoryBytes: 1 },
    priority,
    ...parts,
  });
const places = (view: View, name: string): string[] =>
  running(view, name).map((at) => at.split("@")[1] ?? "");

test("a higher priority ends the fewest lower ones that make room, and never an equal or higher one", () => {
  const nodes = [box("oslo-1", 1_000), box("oslo-2", 1_000)];
  const small = needs("small", 300, 0, { spread: { type: "mesh", replicas: 3 } });
  const big = needs("big", 900, 0);
  const pods = [
    pod("s0", "oslo-1", small, "mesh/0"),
    pod("s1", "oslo-1", small, "mesh/1"),
    pod("s2", "oslo-1", small, "mesh/2"),
    pod("b", "oslo-2", big, "mesh/0"),
  ];
  const urgent = needs("urgent", 800, 10);
  const view: View = { nodes, workloads: [small, big, urgent], pods };
  // Either workload would lose all of its copies, so the single one ends.
  assert.deepEqual(stopsOf(view), ["preempted b"]);
  // With a copy on another node the three do not: better three of many than the last of one.
  const four = { ...small, spread: { type: "mesh" as const, replicas: 4 } };
  const spare: View = {
    nodes: [...nodes, box("oslo-3", 300)],
    workloads: [four, big, urgent],
    pods: [...pods, pod("s3", "oslo-3", four, "mesh/3")],
  };
  assert.deepEqual(stopsOf(spare), ["preempted s0", "preempted s1", "preempted s2"]);
  assert.deepEqual(stopsOf({ ...view, workloads: [small, big, { ...urgent, priority: 0 }] }), []);
  assert.deepEqual(stopsOf({ ...view, workloads: [small, big, { ...urgent, preempts: false }] }), []);
});

test("nothing is preempted when that would not be enough, or when there is room elsewhere", () => {
  const low = needs("low", 500, 0);
  const urgent = needs("urgent", 1_200, 10);
  const pods = [pod("l", "oslo-1", low, "mesh/0")];
  assert.deepEqual(stopsOf({ nodes: [box("oslo-1", 1_000)], workloads: [low, urgent], pods }), []);
  const roomy = [box("oslo-1", 1_400), box("oslo-2", 1_200)];
  assert.deepEqual(stopsOf({ nodes: roomy, workloads: [low, urgent], pods }), []);
});

test("the room of the ended goes to the one that needed it, and the ended come back when room does", () => {
  const low = needs("low", 700, 0);
  const urgent = needs("urgent", 700, 10);
  const nodes = [box("oslo-1", 1_000)];
  const before = settle({ nodes, workloads: [low], pods: [] });
  const after = settle({ ...before, workloads: [low, urgent] });
  assert.deepEqual([places(after, "urgent"), places(after, "low")], [["oslo-1"], []]);
  const standing = plannerOf(inputOf(after, "oslo-1")).standing(refOf("low"), inputOf(after, "oslo-1"));
  assert.deepEqual(standing, {
    wanted: 1,
    waiting: [{ slot: "mesh/0", outOfReach: undefined }],
    smaller: [],
  });
  const healed = settle({ ...after, nodes: [...nodes, box("oslo-2", 1_000)] });
  assert.deepEqual([places(healed, "urgent"), places(healed, "low")], [["oslo-1"], ["oslo-2"]]);
});

test("of one resource no smaller set of victims would make room on the chosen node", () => {
  const sizes = fc.array(fc.integer({ min: 50, max: 400 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 100, max: 1_000 }), (sizes, wanted) => {
      const lows = sizes.map((size, at) => needs(`low${at}`, size, 0));
      const pods = lows.map((of, at) => pod(`p${at}`, "oslo-1", of, "mesh/0"));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const view: View = {
        nodes: [box("oslo-1", total)],
        workloads: [...lows, needs("urgent", wanted, 10)],
        pods,
      };
      const victims = planOf(view, "oslo-1").stops.map(({ uid }) => sizes[Number(uid.slice(1))] ?? 0);
      if (wanted > total) return assert.deepEqual(victims, []);
      assert.ok(victims.reduce((sum, size) => sum + size, 0) >= wanted);
      const largest = [...sizes].sort((left, right) => right - left).slice(0, victims.length - 1);
      assert.ok(largest.reduce((sum, size) => sum + size, 0) < wanted, `${victims} of ${sizes}`);
    }),
    { numRuns: 200 },
  );
});

const ladder = [
  { name: "full", minTier: 1, requests: { cpuMilli: 800, memoryBytes: 1 } },
  { name: "half", minTier: 2, requests: { cpuMilli: 400, memoryBytes: 1 } },
  { name: "tiny", minTier: 3, requests: { cpuMilli: 100, memoryBytes: 1 } },
];
const model = (parts: Partial<Workload> = {}): Workload =>
  needs("model", 800, 0, { variants: ladder, ...parts });
const variantsOf = (view: View): string[] =>
  view.pods.filter(({ ended }) => !ended).map(({ node, variant }) => `${variant ?? "?"}@${node}`);

test("the best variant that fits anywhere runs: by tier, then by room", () => {
  const chosen = (...nodes: readonly PlaceNode[]): string[] =>
    variantsOf(settle({ nodes, workloads: [model()], pods: [] }));
  assert.deepEqual(chosen(box("oslo-1", 4_000, "3"), box("oslo-2", 1_000, "1")), ["full@oslo-2"]);
  assert.deepEqual(chosen(box("oslo-1", 4_000, "2"), box("oslo-2", 700, "1")).length, 1);
  assert.match(chosen(box("oslo-1", 4_000, "2"), box("oslo-2", 700, "1"))[0] ?? "", /^half/);
  assert.deepEqual(chosen(box("oslo-1", 4_000, "3")), ["tiny@oslo-1"]);
  assert.deepEqual(chosen(box("oslo-1", 99, "1")), []);
});

test("each node of a DaemonSet runs the best variant of its own tier", () => {
  const nodes = [box("oslo-1", 1_000, "1"), box("oslo-2", 1_000, "2"), box("oslo-3", 1_000, "3")];
  const settled = settle({ nodes, workloads: [model({ spread: { type: "per-node" } })], pods: [] });
  assert.deepEqual(variantsOf(settled).sort(), ["full@oslo-1", "half@oslo-2", "tiny@oslo-3"]);
});

test("a smaller variant goes up when room returned, after 60,000 ms and with a tenth of the node to spare", () => {
  const of = model();
  const since = (heldMs: number, cpuMilli: number): View => ({
    nodes: [box("oslo-1", cpuMilli, "1")],
    workloads: [of],
    pods: [
      pod("small", "oslo-1", of, "mesh/0", {
        variant: "tiny",
        claimedAt: versionAt(wall - heldMs),
        requests: { cpuMilli: 100, memoryBytes: 1 },
      }),
    ],
  });
  const up = (view: View): (string | undefined)[] =>
    planOf(view, "oslo-1").starts.map(({ variant }) => variant);
  assert.deepEqual(up(since(60_000, 1_000)), ["full"]);
  assert.deepEqual(up(since(59_999, 1_000)), []);
  assert.equal(planOf(since(59_999, 1_000), "oslo-1").again, 1);
  assert.deepEqual(up(since(60_000, 999)), ["half"], "900 of 999 would leave less than a tenth free");
  const settled = settle(since(60_000, 1_000));
  assert.deepEqual(variantsOf(settled), ["full@oslo-1"]);
});

test("a preempted workload with a ladder runs on in a smaller variant", () => {
  const of = model({ variants: ladder.map((rung) => ({ ...rung, minTier: 3 })) });
  const nodes = [box("oslo-1", 1_000)];
  const before = settle({ nodes, workloads: [of], pods: [] });
  assert.deepEqual(variantsOf(before), ["full@oslo-1"]);
  const after = settle({ ...before, workloads: [of, needs("urgent", 600, 10)] });
  assert.deepEqual(places(after, "urgent"), ["oslo-1"]);
  assert.deepEqual(
    after.pods.filter(({ workload }) => workload.name === "model").map(({ variant }) => variant),
    ["half"],
  );
});

test("of two variants of one slot the larger stays once it is ready, and after a heal only past the quiet period", () => {
  const of = model();
  const both = (ready: boolean, verdictSince: number): View => ({
    nodes: [box("oslo-1", 4_000, "1"), { ...box("oslo-2", 4_000, "1"), verdictSince }],
    workloads: [of],
    pods: [
      pod("small", "oslo-1", of, "mesh/0", { variant: "tiny" }),
      pod("large", "oslo-2", of, "mesh/0", { variant: "full", ready }),
    ],
  });
  assert.deepEqual(stopsOf(both(false, 0)), []);
  assert.deepEqual(stopsOf(both(true, 0)), ["updated small"]);
  assert.deepEqual(stopsOf(both(true, inputOf(both(true, 0), "oslo-1").now - 9_999)), []);
});

test("under any load with priorities things come to rest, and no slot waits that could preempt", () => {
  const some = fc.array(fc.tuple(fc.constantFrom(100, 300, 700), fc.constantFrom(0, 5, 10)), {
    minLength: 1,
    maxLength: 7,
  });
  fc.assert(
    fc.property(
      some,
      fc.array(fc.constantFrom(500, 1_000), { minLength: 1, maxLength: 3 }),
      (wants, sizes) => {
        const workloads = wants.map(([cpu, priority], at) => needs(`w${at}`, cpu, priority));
        const nodes = sizes.map((size, at) => box(`oslo-${at}`, size));
        const half = settle({ nodes, workloads: workloads.slice(0, workloads.length / 2), pods: [] });
        const settled = settle({ ...half, workloads });
        for (const { id } of nodes) {
          const { starts, stops } = decide(inputOf(settled, id));
          assert.deepEqual([starts, stops], [[], []]);
        }
        for (const of of workloads) {
          if (running(settled, of.ref.name).length > 0) continue;
          for (const { id, allocatable } of nodes) {
            const kept = settled.pods.filter((one) => {
              const other = workloads.find(({ ref }) => ref.name === one.workload.name);
              return one.node === id && (other?.priority ?? 0) >= of.priority;
            });
            const used = kept.reduce((sum, { requests }) => sum + requests.cpuMilli, 0);
            assert.ok(
              used + of.requests.cpuMilli > allocatable.cpuMilli,
              `${of.ref.name} waits beside ${id}`,
            );
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});
