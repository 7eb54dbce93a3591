import assert from "node:assert/strict";
import { test } from "node:test";
import { firstStarts, node, pod, settle, stopsOf, workload, type View } from "./testbed.ts";

const shop = workload("shop", { spread: { type: "mesh", replicas: 1 } });
const nodes = ["oslo-1", "oslo-2", "bern-1"].map((id) => node(id));
const evicted = pod("a", "oslo-1", shop, "mesh/0", { yields: true });
const view: View = { nodes, workloads: [shop], pods: [evicted] };

test("an evicted copy stays until another node's copy of its slot is ready", () => {
  const [start, ...more] = firstStarts(view);
  assert.deepEqual(more, []);
  assert.match(start ?? "", /mesh\/0@(oslo-2|bern-1)$/);
  assert.deepEqual(stopsOf(view), []);
  const starting = pod("b", "oslo-2", shop, "mesh/0", { ready: false, claimedAt: 2 });
  assert.deepEqual(stopsOf({ ...view, pods: [evicted, starting] }), []);
  const done = stopsOf({ ...view, pods: [evicted, { ...starting, ready: true }] });
  assert.deepEqual(done, ["evicted a"]);
});

test("evicted copies of 6 slots all move at once, whatever an update may change, and none is missing", () => {
  const six = workload("six", { spread: { type: "mesh", replicas: 6 }, updatesAtOnce: 1 });
  const settled = settle({ nodes, workloads: [six], pods: [] });
  const cordoned = nodes.map((of) => (of.id === "bern-1" ? { ...of, cordoned: true } : of));
  const pods = settled.pods.map((of) => ({ ...of, yields: of.node === "bern-1" }));
  const moving = pods.filter(({ yields }) => yields).length;
  assert.ok(moving >= 2);
  const drained = { nodes: cordoned, workloads: [six], pods };
  assert.equal(firstStarts(drained).length, moving);
  const after = settle(drained, (now, stops) => {
    const gone = new Set(stops.map(({ uid }) => uid));
    const ready = now.pods.filter((of) => of.ready && !gone.has(of.uid));
    assert.equal(new Set(ready.map(({ slot }) => slot)).size, 6);
  });
  assert.equal(after.pods.length, 6);
  assert.ok(after.pods.every((of) => of.node !== "bern-1"));
});

test("an evicted copy that nobody else may run, that is not ready or of a DaemonSet ends at once", () => {
  const alone = { ...view, nodes: nodes.slice(0, 1) };
  assert.deepEqual(stopsOf(alone), ["evicted a"]);
  // Its node is free to fill the slot anew.
  const after = { ...alone, pods: [{ ...evicted, ended: true, ready: false }] };
  assert.deepEqual(firstStarts(after), ["shop mesh/0@oslo-1"]);
  assert.deepEqual(stopsOf({ ...view, pods: [{ ...evicted, ready: false }] }), ["evicted a"]);
  const agent = workload("agent", { spread: { type: "per-node" } });
  const own = pod("d", "oslo-1", agent, "node/oslo-1", { yields: true });
  const daemons = { nodes: nodes.slice(0, 1), workloads: [agent], pods: [own] };
  assert.deepEqual(stopsOf(daemons), ["evicted d"]);
});

test("what runs on a node outside of its maintenance window is updated only once the window opens", () => {
  const next = workload("shop", { spread: { type: "mesh", replicas: 1 }, revision: "r2" });
  const old = pod("a", "oslo-1", shop, "mesh/0");
  const held = nodes.map((of) => ({ ...of, heldBack: of.id === "oslo-1" }));
  const closed: View = { nodes: held, workloads: [next], pods: [old] };
  assert.deepEqual(firstStarts(closed), []);
  assert.deepEqual(firstStarts({ ...closed, nodes }), ["shop mesh/0@oslo-1"]);
  // Whoever evicted it was told that it may go.
  assert.equal(firstStarts({ ...closed, pods: [{ ...old, yields: true }] }).length, 1);
});
