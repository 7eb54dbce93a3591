import type { Moment, PlacePod, Variant } from "./contract.ts";
import { exclusionFor, hostsOf } from "./line-up.ts";
import type { Group, Host, PlannerState, Wanted } from "./planner-state.ts";
import { plainScore } from "./rendezvous.ts";
import { shortageOf, sizeOf, take } from "./resources.ts";
import { workloadKey } from "./slots.ts";
import type { SlotState } from "./standing.ts";
import { looksAtPods, topologyOf } from "./topology.ts";

export type Preemption = { readonly host: Host; readonly victims: readonly PlacePod[] };

/**
 * The node on which ending copies of lower priority makes room for a slot, and which ones: first where no
 * workload loses its last ready copy, then where the fewest end, then where the most important of them is
 * the least important. Undefined when that helps nowhere.
 */
export function preemptionFor(
  state: PlannerState,
  group: Group,
  slot: SlotState,
  variant: Variant,
  leaving: ReadonlySet<string>,
  at: Moment,
): Preemption | undefined {
  const { workload, hash } = group.wanted;
  if (!workload.preempts || !someLower(state, workload.priority)) return undefined;
  const topology = looksAtPods(state, group)
    ? topologyOf(state, group, () => hostsOf(state, group), slot)
    : undefined;
  const owner = group.ownerBySlot?.get(slot.slot);
  const nothing = { name: "", minTier: variant.minTier, requests: { cpuMilli: 0, memoryBytes: 0 } };
  let best: { cost: readonly number[]; preemption: Preemption } | undefined;
  for (const host of owner === undefined ? hostsOf(state, group) : [owner]) {
    const lower = lowerPods(state, host, workload.priority, leaving);
    if (lower.length === 0) continue;
    const exclusion = exclusionFor(group, host, { variant: nothing, keepFree: 0 }, topology, at);
    if (exclusion !== undefined && exclusion.filter !== "pods") continue;
    const victims = victimsOn(host, variant, lower);
    if (victims === undefined) continue;
    const cost = [
      bereft(victims, leaving),
      victims.length,
      Math.max(...victims.map(({ of }) => of.workload.priority)),
      -plainScore(hash, host.key),
    ];
    if (best !== undefined && !isLess(cost, best.cost, host, best.preemption.host)) continue;
    best = { cost, preemption: { host, victims: victims.map(({ pod }) => pod) } };
  }
  return best?.preemption;
}

type Lower = { readonly pod: PlacePod; readonly of: Wanted; readonly last: boolean };

function lowerPods(
  state: PlannerState,
  host: Host,
  priority: number,
  leaving: ReadonlySet<string>,
): readonly Lower[] {
  const lower: Lower[] = [];
  for (const pod of host.pods.values()) {
    if (pod.ended || leaving.has(pod.uid)) continue;
    const of = state.wantedByKey.get(workloadKey(pod.workload));
    if (of === undefined || of.workload.priority >= priority) continue;
    lower.push({ pod, of, last: pod.ready && isLastReady(of, pod, leaving) });
  }
  return lower;
}

/**
 * All of them would have to be enough; then as many as possible are spared, those that are the last of
 * their workload first, then the small ones: of one resource that leaves the fewest to end.
 */
function victimsOn(host: Host, { requests }: Variant, lower: readonly Lower[]): Lower[] | undefined {
  const { used, node } = host;
  const fits = (): boolean => shortageOf(node.allocatable, used, requests) === undefined;
  for (const { pod } of lower) take(used, pod.requests, -1);
  const possible = fits();
  const victims: Lower[] = [];
  for (const candidate of [...lower].sort(spareFirst)) {
    take(used, candidate.pod.requests, 1);
    if (!possible || fits()) continue;
    take(used, candidate.pod.requests, -1);
    victims.push(candidate);
  }
  for (const { pod } of victims) take(used, pod.requests, 1);
  return possible && victims.length > 0 ? victims : undefined;
}

const spareFirst = (left: Lower, right: Lower): number =>
  Number(right.last) - Number(left.last) ||
  sizeOf(left.pod.requests) - sizeOf(right.pod.requests) ||
  right.of.workload.priority - left.of.workload.priority ||
  (left.pod.uid < right.pod.uid ? -1 : 1);

const isLastReady = ({ podsBySlot }: Wanted, last: PlacePod, leaving: ReadonlySet<string>): boolean =>
  !hasReady(podsBySlot, (uid) => uid === last.uid || leaving.has(uid));

/** How many workloads would be left without a ready copy. */
function bereft(victims: readonly Lower[], leaving: ReadonlySet<string>): number {
  const uids = new Set(victims.map(({ pod }) => pod.uid));
  const losers = new Set(victims.flatMap(({ pod, of }) => (pod.ready ? [of] : [])));
  const isLeft = ({ podsBySlot }: Wanted): boolean =>
    hasReady(podsBySlot, (uid) => uids.has(uid) || leaving.has(uid));
  return [...losers].filter((of) => !isLeft(of)).length;
}

function hasReady(podsBySlot: Wanted["podsBySlot"], but: (uid: string) => boolean): boolean {
  for (const pods of podsBySlot.values())
    for (const { ended, ready, uid } of pods) if (!ended && ready && !but(uid)) return true;
  return false;
}

function someLower(state: PlannerState, priority: number): boolean {
  for (const { workload } of state.wantedByKey.values()) if (workload.priority < priority) return true;
  return false;
}

function isLess(left: readonly number[], right: readonly number[], on: Host, other: Host): boolean {
  for (let at = 0; at < left.length; at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return on.node.id < other.node.id;
}
