import assert from "node:assert/strict";
import { test } from "node:test";
import { forecast, plannerOf } from "./decide.ts";
import { inputOf, node, refOf, workload, type View } from "./testbed.ts";

/** One copy a site: that of a site out of reach waits for its nodes, that of a full one for room. */
const perSite = workload("a", { spread: { type: "per-site", replicas: 1, sites: {} } });
const view: View = {
  nodes: [
    node("oslo-1"),
    node("bern-1", { verdict: "unreachable" }),
    node("bern-2", { verdict: "dead" }),
    node("rome-1", { allocatable: { cpuMilli: 0, memoryBytes: 0, pods: 0 } }),
  ],
  workloads: [perSite],
  pods: [],
};
const input = inputOf(view, "oslo-1");

test("a slot of a site whose 2 nodes are out of reach waits for them, one of a full site for room", () => {
  assert.deepEqual(
    forecast(input).map(({ slot, outcome, why }) => `${slot} ${outcome}: ${why}`),
    [
      "site/bern/0 waits: no node of site bern is in reach",
      "site/oslo/0 starts: no live copy fills the slot",
      "site/rome/0 waits: no node has room for it",
    ],
  );
});

test("the standing of a workload tells the slots without a node in reach from those without room", () => {
  assert.deepEqual(plannerOf(input).standing(refOf("a"), input)?.waiting, [
    { slot: "site/bern/0", outOfReach: "no node of site bern is in reach" },
    { slot: "site/rome/0", outOfReach: undefined },
  ]);
});
