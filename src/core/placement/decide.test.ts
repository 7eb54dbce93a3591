import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { PlacePod, WorkloadSpread } from "./contract.ts";
import {
  firstStarts,
  node,
  planOf,
  pod,
  quietPeriod,
  running,
  settle,
  stopsOf,
  withNode,
  workload,
  type View,
  since,
} from "./testbed.ts";

const ids = ["oslo-1", "oslo-2", "oslo-3", "bern-1", "bern-2", "rome-1", "rome-2"];
const nodes = ids.map((id) => node(id));
const mesh = (replicas: number): WorkloadSpread => ({ type: "mesh", replicas });
const perSite = (replicas: number, sites = {}): WorkloadSpread => ({ type: "per-site", replicas, sites });
const spread: fc.Arbitrary<WorkloadSpread> = fc.oneof(
  fc.nat(6).map(mesh),
  fc.nat(3).map((replicas) => perSite(replicas)),
  fc.constant({ type: "per-node" as const }),
);

const viewOf = (...spreads: readonly WorkloadSpread[]): View => ({
  nodes,
  workloads: spreads.map((spread, at) => workload(`w${at}`, { spread })),
  pods: [],
});
const uids = (pods: readonly PlacePod[]): string[] => pods.map(({ uid }) => uid).sort();
const tally = (places: readonly string[]): number[] => {
  const counts = new Map<string, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1);
  return [...counts.values()].sort();
};
const nodesOf = (starts: readonly string[]): string[] => starts.map((start) => start.split("@")[1] ?? "");
const sitesOf = (starts: readonly string[]): string[] => nodesOf(starts).map((id) => id.split("-")[0] ?? "");

test("perSite: 2 gives every site 2 copies, on 2 nodes", () => {
  const settled = running(settle(viewOf(perSite(2))), "w0");
  assert.deepEqual(tally(sitesOf(settled)), [2, 2, 2]);
  assert.deepEqual(tally(nodesOf(settled)), [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(
    settled.map((start) => start.split("@")[0]),
    ["site/bern/0", "site/bern/1", "site/oslo/0", "site/oslo/1", "site/rome/0", "site/rome/1"],
  );
});

test("a job's slot that was begun runs on when one before it is open again, and ends when it is done, closed, yielding or past the last", () => {
  const until = { done: ["mesh/1"], atOnce: 1, closed: [] };
  const job = workload("job", { spread: { type: "mesh", replicas: 3, until } });
  const begun = pod("begun", "oslo-1", job, "mesh/2");
  const view: View = { nodes, workloads: [job], pods: [begun] };
  assert.deepEqual(stopsOf(view), []);
  assert.deepEqual(
    firstStarts(view).map((start) => start.split("@")[0]),
    ["job mesh/0"],
  );
  const spreads: readonly WorkloadSpread[] = [
    { type: "mesh", replicas: 3, until: { ...until, done: ["mesh/1", "mesh/2"] } },
    { type: "mesh", replicas: 3, until: { ...until, closed: ["mesh"] } },
    { type: "mesh", replicas: 3, until: { ...until, atOnce: 0 } },
    { type: "mesh", replicas: 2, until },
  ];
  for (const spread of spreads)
    assert.deepEqual(stopsOf({ ...view, workloads: [workload("job", { spread })] }), ["scaled-down begun"]);
  assert.deepEqual(stopsOf({ ...view, pods: [{ ...begun, yields: true }] }), ["scaled-down begun"]);
});

test("a site selector by name or region keeps the other sites empty, and both must match", () => {
  const south = nodes.map((one) => (one.site === "rome" ? { ...one, region: "south" } : one));
  const sites = (selector: object): string[] => [
    ...new Set(sitesOf(running(settle({ ...viewOf(perSite(1, selector)), nodes: south }), "w0"))),
  ];
  assert.deepEqual(sites({ name: ["oslo", "bern"] }), ["bern", "oslo"]);
  assert.deepEqual(sites({ region: ["south"] }), ["rome"]);
  assert.deepEqual(sites({ region: ["south"], name: ["oslo"] }), []);
});

test("a site selector by region selects the sites of all regions within it, and no region of a longer name", () => {
  const regions: { readonly [site: string]: string } = { oslo: "eu", bern: "eu.de.south", rome: "eu-2" };
  const placed = nodes.map((one) => ({ ...one, region: regions[one.site] ?? "" }));
  const sites = (...region: readonly string[]): string[] => [
    ...new Set(sitesOf(running(settle({ ...viewOf(perSite(1, { region })), nodes: placed }), "w0"))),
  ];
  assert.deepEqual(sites("eu"), ["bern", "oslo"]);
  assert.deepEqual(sites("eu.de"), ["bern"]);
  assert.deepEqual(sites("eu.de.south.inner"), []);
  assert.deepEqual(sites("eu-2", "eu.de.south"), ["bern", "rome"]);
});

test("a mesh-wide workload of 3 has one copy in each of 3 sites, and one of 6 has 2 in each", () => {
  assert.deepEqual(tally(sitesOf(running(settle(viewOf(mesh(3))), "w0"))), [1, 1, 1]);
  const six = running(settle(viewOf(mesh(6))), "w0");
  assert.deepEqual(tally(sitesOf(six)), [2, 2, 2]);
  assert.deepEqual(tally(nodesOf(six)), [1, 1, 1, 1, 1, 1]);
});

test("a DaemonSet has one copy on every node that matches and none elsewhere", () => {
  const view = withNode(viewOf({ type: "per-node" }), "oslo-2", {
    taints: [{ key: "gpu", value: "", effect: "NoSchedule", since: 0 }],
  });
  const settled = running(settle(view), "w0");
  assert.deepEqual(
    settled,
    ids
      .filter((id) => id !== "oslo-2")
      .map((id) => `node/${id}@${id}`)
      .sort(),
  );
});

test("a settled view stays as it is when a node joins: incumbents stay where they are", () => {
  const spreads = fc.array(
    fc.oneof(
      fc.nat(6).map(mesh),
      fc.nat(3).map((replicas) => perSite(replicas)),
    ),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(spreads, fc.constantFrom(...ids), (spreads, beside) => {
      const before = settle(viewOf(...spreads));
      const after = settle({ ...before, nodes: [...before.nodes, node(`${beside}-new`)] });
      assert.deepEqual(after.pods, before.pods);
    }),
    { numRuns: 40 },
  );
});

test("a dead node's copies are replaced, one each, and no other copy moves", () => {
  fc.assert(
    fc.property(
      fc.array(spread, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(...ids),
      (spreads, lost) => {
        const before = settle(viewOf(...spreads));
        const after = settle(withNode(before, lost, { verdict: "dead" }));
        const survivors = uids(before.pods.filter(({ node }) => node !== lost));
        assert.deepEqual(
          survivors.filter((uid) => !uids(after.pods).includes(uid)),
          [],
        );
        for (const { ref, spread } of before.workloads) {
          const gone = spread.type === "per-node" ? 1 : 0;
          assert.equal(running(after, ref.name).length, running(before, ref.name).length - gone, ref.name);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("copies on an unreachable node are replaced after 60,000 ms and not 1 ms sooner; `again` says when", () => {
  const settled = settle(viewOf(mesh(7)));
  const after = (verdictFor: number): View =>
    withNode(settled, "bern-1", { verdict: "unreachable", ...since(verdictFor) });
  assert.deepEqual(firstStarts(after(59_999)), []);
  assert.equal(planOf(after(59_000), "oslo-1").again, 1_000);
  assert.equal(firstStarts(after(60_000)).length, 1);
  assert.equal(planOf(settled, "oslo-1").again, Number.POSITIVE_INFINITY);
});

test("copies on a node that its site has lost are replaced after 700 ms, a DaemonSet's on no other node", () => {
  const settled = settle(viewOf(mesh(7)));
  const after = (verdictFor: number): View =>
    withNode(settled, "bern-1", { verdict: "unreachable", lostBySite: true, ...since(verdictFor) });
  assert.deepEqual(firstStarts(after(699)), []);
  assert.equal(planOf(after(600), "oslo-1").again, 100);
  assert.equal(firstStarts(after(700)).length, 1);
  const everywhere = settle({
    nodes,
    workloads: [workload("w0", { spread: { type: "per-node" } })],
    pods: [],
  });
  const lost = { verdict: "unreachable", lostBySite: true, ...since(700) } as const;
  assert.deepEqual(firstStarts(withNode(everywhere, "bern-1", lost)), []);
});

test("with `majority` a node that its site has lost is no sooner lost than another", () => {
  const policy = {
    onPartition: "majority",
    lostAfter: 60_000,
    lostBySiteAfter: 700,
    onHeal: "keepOriginal",
  } as const;
  const settled = settle({ nodes, workloads: [workload("w0", { spread: mesh(7), policy })], pods: [] });
  const after = (verdictFor: number): View =>
    withNode(settled, "bern-1", { verdict: "unreachable", lostBySite: true, ...since(verdictFor) });
  assert.deepEqual(firstStarts(after(59_999)), []);
  assert.equal(firstStarts(after(60_000)).length, 1);
});

test("with `freeze` copies on an unreachable node are let be for ever, and those on a dead one replaced", () => {
  const policy = {
    onPartition: "freeze",
    lostAfter: 60_000,
    lostBySiteAfter: 700,
    onHeal: "keepOriginal",
  } as const;
  const settled = settle({ nodes, workloads: [workload("w0", { spread: mesh(7), policy })], pods: [] });
  for (const lostBySite of [false, true]) {
    const gone = { verdict: "unreachable", lostBySite, ...since(1e12) } as const;
    assert.deepEqual(firstStarts(withNode(settled, "bern-1", gone)), []);
  }
  assert.equal(firstStarts(withNode(settled, "bern-1", { verdict: "dead" })).length, 1);
});

const twice = (onHeal: "keepOriginal" | "keepReplacement", verdictFor: number, ready = true): View => {
  const policy = { onPartition: "duplicate", lostAfter: 60_000, lostBySiteAfter: 700, onHeal } as const;
  const one = workload("w0", { spread: mesh(1), policy });
  const original = pod("original", "oslo-1", one, "mesh/0", { claimedAt: 5, ready });
  const replacement = pod("replacement", "rome-1", one, "mesh/0", { claimedAt: 9 });
  return withNode({ nodes, workloads: [one], pods: [replacement, original] }, "oslo-1", since(verdictFor));
};

test("after a heal the original or the replacement stays, as the policy says; one that is not ready never does", () => {
  assert.deepEqual(stopsOf(twice("keepOriginal", quietPeriod)), ["surplus replacement"]);
  assert.deepEqual(stopsOf(twice("keepReplacement", quietPeriod)), ["surplus original"]);
  assert.deepEqual(stopsOf(twice("keepOriginal", quietPeriod, false)), ["surplus original"]);
});

test("surplus copies are left alone for the quiet period of 10,000 ms", () => {
  assert.deepEqual(stopsOf(twice("keepOriginal", 9_999)), []);
  assert.equal(planOf(twice("keepOriginal", 9_000), "rome-1").again, 1_000);
});

test("scaling from 5 to 3 stops the slots 3 and 4, and a deleted workload all of its copies", () => {
  const settled = settle(viewOf(mesh(5)));
  const scaled = stopsOf({ ...settled, workloads: [workload("w0", { spread: mesh(3) })] });
  assert.equal(scaled.length, 2);
  for (const [at, stop] of scaled.entries())
    assert.ok(stop.startsWith(`scaled-down w0 mesh/${at + 3}@`), stop);
  const deleted = stopsOf({ ...settled, workloads: [] });
  assert.deepEqual(
    deleted,
    uids(settled.pods).map((uid) => `deleted ${uid}`),
  );
});

test("a cordon keeps new copies off a node and stops none; a NoExecute taint ends what runs there", () => {
  const settled = settle(viewOf(mesh(7)));
  const cordoned = withNode(settled, "oslo-1", { cordoned: true });
  assert.deepEqual(settle(cordoned).pods, settled.pods);
  assert.equal(planOf({ ...cordoned, pods: [] }, "oslo-1").starts.length, 0);
  const taints = [{ key: "fire", value: "", effect: "NoExecute", since: 0 }];
  const evicted = settle(withNode(settled, "oslo-1", { taints }));
  assert.equal(running(evicted, "w0").length, 7);
  assert.ok(!nodesOf(running(evicted, "w0")).includes("oslo-1"));
});

test("an ended copy gives its slot and its room free, and its own node is the first to start it again", () => {
  const [one] = viewOf(mesh(1)).workloads;
  assert.ok(one !== undefined);
  const full = nodes.map((one) => ({ ...one, allocatable: { ...one.allocatable, pods: 1 } }));
  for (const { id } of full) {
    const ended = pod("p", id, one, "mesh/0", { ended: true });
    assert.deepEqual(firstStarts({ nodes: full, workloads: [one], pods: [ended] }), [`w0 mesh/0@${id}`]);
  }
});

test("a DaemonSet's copy ends when its node no longer has the label, and comes back with it", () => {
  const of = workload("w0", { spread: { type: "per-node" }, nodeSelector: { disk: "ssd" } });
  const labelled = nodes.map((one) => ({ ...one, labels: { disk: "ssd" } }));
  const settled = settle({ nodes: labelled, workloads: [of], pods: [] });
  assert.equal(settled.pods.length, 7);
  const without = withNode(settled, "bern-2", { labels: {} });
  assert.equal(stopsOf(without).length, 1);
  const after = settle(without);
  assert.ok(!nodesOf(running(after, "w0")).includes("bern-2"));
  assert.deepEqual(running(settle({ ...after, nodes: labelled }), "w0"), running(settled, "w0"));
});

test("a copy of a site's slot on a node of another site is stopped, and the site gets its own", () => {
  const of = workload("w0", { spread: perSite(1) });
  const astray = { nodes, workloads: [of], pods: [pod("p", "rome-1", of, "site/oslo/0")] };
  assert.deepEqual(stopsOf(astray), ["not-allowed p"]);
  assert.deepEqual(sitesOf(running(settle(astray), "w0")), ["bern", "oslo", "rome"]);
});

test("a copy of a node's own slot on another node, of the same site too, is stopped, and the node gets its own", () => {
  const of = workload("w0", { spread: { type: "per-node" } });
  for (const elsewhere of ["oslo-2", "rome-1"]) {
    const astray = { nodes, workloads: [of], pods: [pod("p", elsewhere, of, "node/oslo-1")] };
    assert.deepEqual(stopsOf(astray), ["not-allowed p"]);
    assert.deepEqual(running(settle(astray), "w0"), ids.map((id) => `node/${id}@${id}`).sort());
  }
});
