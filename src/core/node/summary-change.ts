import { equalJson, type JsonObject } from "../kernel/json.ts";
import type { Amount, RegionSummary, TierSummary, WorkloadSummary } from "../records/summaries.ts";
import { copiesOf, updatedOf } from "./summary-content.ts";

/**
 * How much of a region changed, between what is said of it and what is true: a share of its nodes, its capacity or
 * a workload's copies, the largest of all. Whoever reads that another region has 1,749 nodes of 1,750 ready decides
 * nothing differently; which copies there are, whom to speak to, and what is acknowledged counts in full.
 *
 * @returns 0 to 1.
 */
export function shareChanged(before: RegionSummary, after: RegionSummary): number {
  if (!equalJson(rest(before), rest(after))) return 1;
  const nodes = Math.max(before.nodes, after.nodes);
  const versions = new Set([...Object.keys(before.agents), ...Object.keys(after.agents)]);
  return Math.max(
    apart(before.nodes, after.nodes, nodes),
    apart(before.ready, after.ready, nodes),
    apart(before.sites, after.sites, Math.max(before.sites, after.sites)),
    ...[...versions].map((version) => apart(before.agents[version], after.agents[version], nodes)),
    ...pairs(before.tiers, after.tiers, ({ tier }) => String(tier)).map((pair) => tierChanged(pair, nodes)),
    ...pairs(before.workloads, after.workloads, ({ name }) => name).map(copiesChanged),
  );
}

/** All that is no count. */
const rest = ({ workloads, workloadsLeftOut, gateways, acks }: RegionSummary): JsonObject => ({
  workloads: workloads.map((workload) => ({ ...workload, wanted: 0, ready: 0, copies: 0, updated: 0 })),
  workloadsLeftOut,
  gateways,
  acks,
});

type Pair<Item> = readonly [before: Item | undefined, after: Item | undefined];

function pairs<Item>(
  before: readonly Item[],
  after: readonly Item[],
  nameOf: (item: Item) => string,
): readonly Pair<Item>[] {
  const [old, now] = [before, after].map((items) => new Map(items.map((item) => [nameOf(item), item])));
  return [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].map(
    (name) => [old?.get(name), now?.get(name)] as const,
  );
}

function tierChanged([before, after]: Pair<TierSummary>, nodes: number): number {
  const most = (of: keyof Amount): number =>
    Math.max(before?.allocatable[of] ?? 0, after?.allocatable[of] ?? 0);
  return Math.max(
    apart(before?.nodes, after?.nodes, nodes),
    apart(before?.ready, after?.ready, nodes),
    ...(["cpuMilli", "memoryBytes"] as const).flatMap((of) => [
      apart(before?.allocatable[of], after?.allocatable[of], most(of)),
      apart(before?.requested[of], after?.requested[of], most(of)),
    ]),
  );
}

function copiesChanged([before, after]: Pair<WorkloadSummary>): number {
  const [was, is] = [countsOf(before), countsOf(after)];
  const most = Math.max(...was, ...is);
  return Math.max(...was.map((count, at) => apart(count, is[at], most)));
}

const countsOf = (told: WorkloadSummary | undefined): readonly number[] =>
  told === undefined ? [0, 0, 0, 0] : [told.wanted, told.ready, copiesOf(told), updatedOf(told)];

const apart = (before = 0, after = 0, of: number): number =>
  before === after ? 0 : Math.min(1, Math.abs(before - after) / Math.max(1, of));
