import assert from "node:assert/strict";
import { test } from "node:test";
import { siteSummaryBody, type WorkloadSummary } from "../records/summaries.ts";
import { addedUp, copiesOf, updatedOf, type PlaceSummary } from "./summary-content.ts";

const name = "apps/Deployment/default/web";
const web = (told: Partial<WorkloadSummary>): WorkloadSummary => ({
  name,
  revision: "r2",
  wanted: 0,
  ready: 0,
  ...told,
});
const place = (...workloads: readonly WorkloadSummary[]): PlaceSummary => ({
  nodes: 1,
  ready: 1,
  tiers: [],
  workloads,
  workloadsLeftOut: 0,
  agents: {},
});
function added(...told: readonly Partial<WorkloadSummary>[]): WorkloadSummary {
  const [workload] = addedUp(told.map((each) => place(web(each)))).workloads;
  assert.ok(workload !== undefined);
  return workload;
}

test("places whose copies are all ready and of one revision tell no more of them together than each does", () => {
  const both = added({ wanted: 2, ready: 2 }, { wanted: 1, ready: 1 });
  assert.deepEqual(both, { name, revision: "r2", wanted: 3, ready: 3 });
  assert.deepEqual([copiesOf(both), updatedOf(both)], [3, 3]);
});

test("of 2 old copies in one place and 3 new ones in another, 5 run and the 3 are updated, in either order", () => {
  const old = { revision: "r1", ready: 2 };
  const fresh = { ready: 2, copies: 3, updated: 3 };
  for (const told of [[old, fresh] as const, [fresh, old] as const]) {
    const { revision, ready, ...both } = added(...told);
    assert.deepEqual([revision, ready, both.copies, both.updated], ["r2", 4, 5, 3]);
  }
});

test("a place without copies, which has not heard of an update, does not keep the others from telling of it", () => {
  assert.equal(added({ revision: "r1", full: true }, { ready: 1 }).revision, "r2");
});

test("a summary by an agent that does not count revisions is read, and all that is ready counts as of its revision", () => {
  const said = {
    ...place(web({ wanted: 1, ready: 1, slots: ["mesh/0"] })),
    region: "eu",
    island: 1,
    gateways: [],
    acks: [],
  };
  const [workload] = siteSummaryBody(said)?.workloads ?? [];
  assert.ok(workload !== undefined);
  assert.deepEqual([copiesOf(workload), updatedOf(workload)], [1, 1]);
});
