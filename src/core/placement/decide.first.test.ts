import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { PlaceNode } from "./contract.ts";
import { firstStarts, gibibyte, node, planOf, workload } from "./testbed.ts";

/** Every node decides alone from the same view; these are the laws of what they do together. */

const ids = ["oslo-1", "oslo-2", "oslo-3", "bern-1", "bern-2", "rome-1", "rome-2"];
const tight = (id: string, pods: number): PlaceNode =>
  node(id, { allocatable: { cpuMilli: 4_000, memoryBytes: gibibyte, pods } });

test("two nodes never both go first for one slot, however tight several workloads make it", () => {
  const caps = fc.array(fc.integer({ min: 1, max: 2 }), { minLength: ids.length, maxLength: ids.length });
  const replicas = fc.integer({ min: 1, max: 3 });
  fc.assert(
    fc.property(
      fc.subarray(ids, { minLength: 2 }),
      caps,
      replicas,
      replicas,
      fc.nat(),
      (some, caps, each, all, name) => {
        const nodes = some.map((id, at) => tight(id, caps[at] ?? 1));
        const perSite = workload("a", { spread: { type: "per-site", replicas: each, sites: {} } });
        const mesh = workload(`b${name}`, { spread: { type: "mesh", replicas: all } });
        const slots = firstStarts({ nodes, workloads: [perSite, mesh], pods: [] }).map(
          (start) => start.split("@")[0],
        );
        assert.equal(new Set(slots).size, slots.length, slots.join(", "));
      },
    ),
    { numRuns: 300 },
  );
});

test("a node reckons what per-site workloads take at other sites, and does not wait for a node that is full", () => {
  const nodes = [tight("bern-2", 1), tight("rome-1", 2)];
  const perSite = workload("a", { spread: { type: "per-site", replicas: 1, sites: {} } });
  const mesh = workload("b119", { spread: { type: "mesh", replicas: 1 } });
  const starts = firstStarts({ nodes, workloads: [perSite, mesh], pods: [] });
  assert.ok(starts.includes("b119 mesh/0@rome-1"), starts.join(", "));
});

test("some node goes first for every slot that anybody wants to start, and nodes that are full for none", () => {
  const caps = fc.array(fc.integer({ min: 1, max: 2 }), { minLength: ids.length, maxLength: ids.length });
  const replicas = fc.integer({ min: 1, max: 3 });
  fc.assert(
    fc.property(caps, replicas, replicas, fc.nat(), (caps, each, all, name) => {
      const nodes = ids.map((id, at) => tight(id, caps[at] ?? 1));
      const perSite = workload("a", { spread: { type: "per-site", replicas: each, sites: {} } });
      const mesh = workload(`b${name}`, { spread: { type: "mesh", replicas: all } });
      const view = { nodes, workloads: [perSite, mesh], pods: [] };
      const asked = new Set(
        ids.flatMap((id) => planOf(view, id).starts.map(({ workload, slot }) => `${workload.name} ${slot}`)),
      );
      const first = firstStarts(view).map((start) => start.split("@")[0] ?? "");
      assert.deepEqual(new Set(first), asked);
    }),
    { numRuns: 300 },
  );
});
