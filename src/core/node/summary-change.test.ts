import assert from "node:assert/strict";
import { test } from "node:test";
import type { RegionSummary } from "../records/summaries.ts";
import { shareChanged } from "./summary-change.ts";

const region = (changes: Partial<RegionSummary> = {}): RegionSummary => ({
  nodes: 1_000,
  ready: 1_000,
  sites: 200,
  tiers: [
    {
      tier: 2,
      nodes: 1_000,
      ready: 1_000,
      allocatable: { cpuMilli: 4_000_000, memoryBytes: 4_000 },
      requested: { cpuMilli: 1_000_000, memoryBytes: 0 },
    },
  ],
  workloads: [{ name: "apps/Deployment/default/web", revision: "r1", wanted: 50, ready: 50 }],
  workloadsLeftOut: 0,
  agents: { "1.0.0": 1_000 },
  gateways: [{ id: "a", name: "oslo-1", site: "oslo", addresses: ["10.0.0.1:7070"] }],
  acks: [{ author: "a", head: 1_000_000 }],
  ...changes,
});
const [tier] = region().tiers;
const [web] = region().workloads;
assert.ok(tier && web);

for (const [what, changes, share] of [
  ["nothing", {}, 0],
  ["one node of a thousand that is down", { ready: 999, tiers: [{ ...tier, ready: 999 }] }, 1 / 1_000],
  ["a tenth of the nodes that left", { nodes: 900, agents: { "1.0.0": 900 } }, 1 / 10],
  ["twenty nodes with a new agent", { agents: { "1.0.0": 980, "1.1.0": 20 } }, 1 / 50],
  ["one copy of fifty that is not ready", { workloads: [{ ...web, ready: 49 }] }, 1 / 50],
  [
    "a quarter more that is reserved",
    { tiers: [{ ...tier, requested: { cpuMilli: 2_000_000, memoryBytes: 0 } }] },
    1 / 4,
  ],
  ["a tier that is gone", { tiers: [] }, 1],
  ["a workload that is new", { workloads: [web, { ...web, name: "apps/Deployment/default/db" }] }, 1],
  ["one copy of fifty of an older revision", { workloads: [{ ...web, updated: 49 }] }, 1 / 50],
  ["ten more copies that start", { workloads: [{ ...web, copies: 60 }] }, 1 / 6],
  [
    "counts of copies that are all ready, said in full",
    { workloads: [{ ...web, copies: 50, updated: 50 }] },
    0,
  ],
  ["a slot that is filled", { workloads: [{ ...web, slots: ["mesh/0"] }] }, 1],
  ["another gateway", { gateways: [] }, 1],
  ["an acknowledgement", { acks: [{ author: "a", head: 1_000_001 }] }, 1],
] as const)
  test(`${what} is ${share} of a region`, () => {
    assert.equal(shareChanged(region(), region(changes)), share);
    assert.equal(shareChanged(region(changes), region()), share);
  });
