import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { allot, offerAgeMax, type SiteOffer } from "./allot.ts";
import type { Variant } from "./contract.ts";
import { forecast } from "./decide.ts";
import { inputOf, node, workload } from "./testbed.ts";

const names = ["bern", "oslo", "rome", "york"];
const any: Variant = { name: "", minTier: 3, requests: { cpuMilli: 1_000, memoryBytes: 1 } };

function offer(site: string, nodes: number, parts: Partial<SiteOffer> = {}): SiteOffer {
  const capacity = { cpuMilli: 4_000 * nodes, memoryBytes: 1_000 * nodes, pods: 100 * nodes, nodes };
  return { site, region: "north", capacityByTier: { 3: capacity }, requestedByTier: {}, age: 0, ...parts };
}
const sizes = fc.array(fc.nat(3), { minLength: 4, maxLength: 4 });
const offersOf = (sizes: readonly number[]): SiteOffer[] =>
  names.map((name, at) => offer(name, sizes[at] ?? 0));

test("copies go to sites with room only, as many as asked for or as fit, and at most 1 apart where room allows", () => {
  fc.assert(
    fc.property(sizes, fc.nat(60), fc.string(), (sizes, copies, name) => {
      const { copiesBySite, left } = allot(name, [any], copies, new Map(), offersOf(sizes));
      const room = (at: number): number => 4 * (sizes[at] ?? 0);
      const given = names.map((site) => copiesBySite.get(site) ?? 0);
      given.forEach((count, at) => assert.ok(count <= room(at)));
      const total = given.reduce((sum, count) => sum + count, 0);
      assert.equal(
        total,
        Math.min(
          copies,
          names.reduce((sum, _, at) => sum + room(at), 0),
        ),
      );
      assert.equal(left, copies - total);
      const least = Math.min(...given.filter((count, at) => count < room(at)));
      assert.ok(given.every((count) => count <= least + 1));
    }),
    { numRuns: 300 },
  );
});

test("what sites hold stays with them, in whatever order they are listed, and one more copy moves none", () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 40 }), (sizes, copies) => {
      const offers = offersOf(sizes);
      const first = allot("w", [any], copies, new Map(), offers);
      assert.deepEqual(allot("w", [any], copies, new Map(), [...offers].reverse()), first);
      const more = allot("w", [any], copies + 1, new Map(), offers);
      for (const [site, count] of first.copiesBySite) assert.ok((more.copiesBySite.get(site) ?? 0) >= count);
      const again = allot("w", [any], copies - first.left, first.copiesBySite, offers);
      assert.deepEqual(again.copiesBySite, first.copiesBySite);
    }),
    { numRuns: 200 },
  );
});

test("a summary older than 600,000 ms gets no new copy and keeps those it has", () => {
  const offers = [offer("bern", 1), offer("oslo", 1, { age: offerAgeMax + 1 })];
  assert.deepEqual([...allot("w", [any], 4, new Map([["oslo", 1]]), offers).copiesBySite].sort(), [
    ["bern", 3],
    ["oslo", 1],
  ]);
});

test("only tiers that some variant may run on count, each with the smallest variant it may run", () => {
  const ladder: readonly Variant[] = [
    { name: "full", minTier: 1, requests: { cpuMilli: 4_000, memoryBytes: 1 } },
    { name: "half", minTier: 2, requests: { cpuMilli: 2_000, memoryBytes: 1 } },
  ];
  const room = { cpuMilli: 4_000, memoryBytes: 1_000, pods: 100, nodes: 1 };
  const tiers = offer("bern", 0, { capacityByTier: { 1: room, 2: room, 3: room } });
  assert.deepEqual(allot("w", ladder, 9, new Map(), [tiers]), {
    copiesBySite: new Map([["bern", 4]]),
    left: 5,
  });
});

test("the allotment over the sums of nodes is what placement over the nodes themselves comes to", () => {
  fc.assert(
    fc.property(sizes, fc.nat(30), (sizes, replicas) => {
      const nodes = names.flatMap((name, at) =>
        Array.from({ length: sizes[at] ?? 0 }, (_, number) =>
          node(`${name}-${number}`, { allocatable: { cpuMilli: 4_000, memoryBytes: 1_000, pods: 100 } }),
        ),
      );
      const of = workload("w", { spread: { type: "mesh", replicas }, requests: any.requests });
      const placed = forecast(inputOf({ nodes, workloads: [of], pods: [] }, ""));
      const counts = new Map<string, number>();
      for (const { site } of placed) if (site !== undefined) counts.set(site, (counts.get(site) ?? 0) + 1);
      const allotted = allot("apps/Deployment/shop/w", [any], replicas, new Map(), offersOf(sizes));
      assert.deepEqual([...allotted.copiesBySite].sort(), [...counts].sort());
    }),
    { numRuns: 200 },
  );
});
