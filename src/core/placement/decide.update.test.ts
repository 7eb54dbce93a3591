import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlacePod, Workload, WorkloadSpread } from "./contract.ts";
import { firstStarts, node, pod, settle, stopsOf, withNode, workload, type View, since } from "./testbed.ts";

const ids = ["oslo-1", "oslo-2", "oslo-3", "bern-1", "bern-2", "rome-1", "rome-2"];
const nodes = ids.map((id) => node(id));
const mesh = (replicas: number): WorkloadSpread => ({ type: "mesh", replicas });
const perSite = (replicas: number): WorkloadSpread => ({ type: "per-site", replicas, sites: {} });
const daemonSet: View = { nodes, workloads: [workload("w0", { spread: { type: "per-node" } })], pods: [] };

test("an update changes at most `updatesAtOnce` slots at a time, each with a ready copy throughout, until all is new", () => {
  for (const [updatesAtOnce, spread] of [
    [1, mesh(6)],
    [2, mesh(6)],
    [1, perSite(2)],
  ] as const) {
    const settled = settle({ nodes, workloads: [workload("w0", { spread, updatesAtOnce })], pods: [] });
    const slots = new Set(settled.pods.map(({ slot }) => slot));
    const next = { ...settled, workloads: [workload("w0", { spread, updatesAtOnce, revision: "r2" })] };
    const groups = spread.type === "mesh" ? 1 : 3;
    const done = settle(next, ({ pods }, stops) => {
      const stopped = new Set(stops.map(({ uid }) => uid));
      const ready = pods.filter((pod) => pod.ready && !stopped.has(pod.uid));
      assert.equal(new Set(ready.map(({ slot }) => slot)).size, slots.size);
      assert.ok(pods.filter((pod) => !pod.ready).length <= updatesAtOnce * groups);
    });
    assert.deepEqual([...new Set(done.pods.map(({ revision }) => revision))], ["r2"]);
    assert.equal(done.pods.length, slots.size);
  }
});

test("an update of a DaemonSet stops the old copy of a node first, one node of a site at a time", () => {
  const settled = settle(daemonSet);
  const next = { ...settled, workloads: [workload("w0", { spread: { type: "per-node" }, revision: "r2" })] };
  const stops = stopsOf(next);
  assert.equal(stops.length, 3);
  for (const stop of stops) assert.match(stop, /^updated /);
  assert.deepEqual([...new Set(settle(next).pods.map(({ revision }) => revision))], ["r2"]);
});

const next = (replicas: number): Workload => workload("w0", { spread: mesh(replicas), revision: "r2" });
const old = (on: string, slot: string, parts: Partial<PlacePod> = {}): PlacePod =>
  pod(`${slot}@${on}`, on, next(1), slot, { revision: "r1", ...parts });

test("a new revision starts at best on the node of the old copy, and the old one stops only when the new is ready", () => {
  for (const { id } of nodes) {
    const view: View = { nodes, workloads: [next(1)], pods: [old(id, "mesh/0")] };
    assert.deepEqual(firstStarts(view), [`w0 mesh/0@${id}`]);
    const fresh = (ready: boolean): PlacePod => old(id, "mesh/0", { uid: "fresh", revision: "r2", ready });
    assert.deepEqual(stopsOf({ ...view, pods: [...view.pods, fresh(false)] }), []);
    assert.deepEqual(stopsOf({ ...view, pods: [...view.pods, fresh(true)] }), [`updated mesh/0@${id}`]);
  }
});

test("copies out of reach are neither updated nor counted: the update goes on with the others", () => {
  const pods = [old("oslo-1", "mesh/0"), old("bern-1", "mesh/1")];
  const view: View = { nodes, workloads: [next(2)], pods };
  const away = withNode(view, "oslo-1", { verdict: "unreachable", ...since(0) });
  assert.deepEqual(firstStarts(away), ["w0 mesh/1@bern-1"]);
});

test("a slot whose new copy is not ready holds up the update of the others", () => {
  const fresh = old("oslo-1", "mesh/0", { uid: "fresh", revision: "r2", ready: false });
  const pods = [old("oslo-1", "mesh/0"), fresh, old("bern-1", "mesh/1")];
  assert.deepEqual(firstStarts({ nodes, workloads: [next(2)], pods }), []);
});

test("a slot without a ready copy is updated at once, whatever the budget", () => {
  const pods = ["mesh/0", "mesh/1", "mesh/2"].map((slot, at) => old(ids[at] ?? "", slot, { ready: false }));
  assert.equal(firstStarts({ nodes, workloads: [next(3)], pods }).length, 3);
});

test("of two older revisions the one that never became ready is stopped", () => {
  const stuck = old("rome-1", "mesh/0", { revision: "r0", ready: false });
  assert.deepEqual(stopsOf({ nodes, workloads: [next(1)], pods: [stuck, old("oslo-1", "mesh/0")] }), [
    "updated mesh/0@rome-1",
  ]);
});
