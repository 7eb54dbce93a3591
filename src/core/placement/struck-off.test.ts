import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlaceNode } from "./contract.ts";
import { plannerOf } from "./decide.ts";
import {
  firstStarts,
  inputOf,
  node,
  pod,
  refOf,
  settle,
  running,
  wall,
  workload,
  type View,
} from "./testbed.ts";

/** Nodes that have struck a workload off, because it failed there too often. */

const shop = workload("shop", { spread: { type: "mesh", replicas: 1 } });
const struck = (id: string, parts: Partial<PlaceNode> = {}): PlaceNode =>
  node(id, {
    strikes: [{ workload: refOf("shop"), revision: "r1", times: 1, until: wall + 600_000 }],
    ...parts,
  });
const explained = (view: View) => {
  const input = inputOf(view, view.nodes[0]?.id ?? "");
  return plannerOf(input).explain(refOf("shop"), input)[0];
};

test("a node that has struck it off gets no copy while another node may take it", () => {
  for (const other of ["oslo-1", "oslo-3"]) {
    const nodes = ["oslo-1", "oslo-2", "oslo-3"].map((id) => (id === other ? node(id) : struck(id)));
    const view: View = { nodes, workloads: [shop], pods: [] };
    assert.deepEqual(firstStarts(view), [`shop mesh/0@${other}`]);
    assert.equal(explained(view)?.lastResort, false);
  }
});

test("where all have struck it off, a slot that nothing fills is given to one of them all the same", () => {
  const view: View = { nodes: [struck("oslo-1"), struck("oslo-2")], workloads: [shop], pods: [] };
  assert.equal(firstStarts(view).length, 1);
  const why = explained(view);
  assert.equal(why?.lastResort, true);
  assert.equal(why.ranking.length, 2);
  assert.equal(running(settle(view), "shop").length, 1);
});

test("a copy that runs moves to no node that has struck it off, evicted or not", () => {
  const nodes = [node("oslo-1"), struck("oslo-2")];
  for (const yields of [false, true]) {
    const view: View = { nodes, workloads: [shop], pods: [pod("p", "oslo-1", shop, "mesh/0", { yields })] };
    assert.deepEqual(firstStarts(view), []);
  }
});

test("room on a node that has not struck it off is made before one that has is asked", () => {
  const small = { cpuMilli: 1_000, memoryBytes: 1_000, pods: 10 };
  const low = workload("low", {
    spread: { type: "mesh", replicas: 1 },
    requests: { cpuMilli: 800, memoryBytes: 1 },
  });
  const dear = { ...shop, priority: 10, requests: { cpuMilli: 500, memoryBytes: 1 } };
  const view: View = {
    nodes: [node("oslo-1", { allocatable: small }), struck("oslo-2")],
    workloads: [low, dear],
    pods: [pod("l", "oslo-1", low, "mesh/0")],
  };
  assert.deepEqual(firstStarts(view), []);
  assert.deepEqual(running(settle(view), "shop"), ["mesh/0@oslo-1"]);
  // And nobody is ended for a program that fails.
  const only: View = { ...view, nodes: [struck("oslo-1", { allocatable: small })] };
  assert.deepEqual(firstStarts(only), []);
  assert.deepEqual(running(settle(only), "low"), ["mesh/0@oslo-1"]);
});
