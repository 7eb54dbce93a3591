import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeView } from "../core/node/contract.ts";
import type { SiteView } from "../core/node/place-view.ts";
import type { WorkloadSummary } from "../core/records/summaries.ts";
import { copiesElsewhere, countedElsewhere, doubtsOf } from "./copies-elsewhere.ts";

const ref = { group: "apps", kind: "Deployment", namespace: "default", name: "web" } as const;
const web = { name: "apps/Deployment/default/web", revision: "r2", wanted: 2, ready: 2 };
const minute = 60_000;

type Told = Partial<Pick<SiteView, "age" | "unreachableFor">> & {
  readonly workloads?: readonly WorkloadSummary[];
  readonly leftOut?: number;
};

function viewOf(told: { readonly [site: string]: Told }): NodeView {
  const sitesTold = () =>
    Object.entries(told).map(([name, { workloads = [web], leftOut = 0, age = minute, unreachableFor }]) => {
      const counts = { nodes: 1, ready: 1, island: 1, tiers: [], agents: {}, gateways: [], acks: [] };
      const summary = { ...counts, region: "eu", workloads, workloadsLeftOut: leftOut };
      return { name, region: "eu", summary, age, detailed: false, unreachableFor };
    });
  return { sitesTold, regions: () => [] } as Partial<NodeView> as NodeView;
}

const counted = (told: { readonly [site: string]: Told }) =>
  countedElsewhere(copiesElsewhere(ref, "r2", viewOf(told)));
const doubts = (told: { readonly [site: string]: Told }) =>
  doubtsOf(copiesElsewhere(ref, "r2", viewOf(told))).join("; ");

test("a place that tells of another revision has copies, and none that are updated", () => {
  const told = { kiel: {}, ulm: { workloads: [{ ...web, revision: "r1" }] } };
  assert.deepEqual(counted(told), { copies: 4, updated: 2, ready: 4 });
});

test("of 3 copies that a place tells of, 1 ready and 2 updated, as many count", () => {
  const told = { kiel: { workloads: [{ ...web, ready: 1, copies: 3, updated: 2 }] } };
  assert.deepEqual(counted(told), { copies: 3, updated: 2, ready: 1 });
});

test("what was told 7 h ago does not count, nor what a place tells that does not answer; both are named", () => {
  const told = { bern: { age: 420 * minute }, kiel: { unreachableFor: minute }, ulm: { age: 300 * minute } };
  assert.deepEqual(counted(told), { copies: 2, updated: 2, ready: 2 });
  assert.equal(
    doubts(told),
    "2 more were at site bern, of which nothing has been heard for hours; 2 more were at site kiel, which does not answer",
  );
});

test("a place that has more workloads than it tells of, and does not tell of this one, is named", () => {
  const told = { kiel: { workloads: [], leftOut: 3 }, ulm: { workloads: [] } };
  assert.deepEqual(counted(told), { copies: 0, updated: 0, ready: 0 });
  assert.equal(doubts(told), "not told of by site kiel: too many workloads there");
});
