import type { Instant } from "../kernel/time.ts";
import type { Pass } from "./assign.ts";
import type { Moment, PlacementPlan, PlacePod, StopReason } from "./contract.ts";
import { evictedAt } from "./filter.ts";
import { noteOf } from "./line-up.ts";
import { isAlive, mayHold, rungOf, type Group, type Host, type PlannerState } from "./planner-state.ts";
import { isBegun, workloadKey } from "./slots.ts";
import type { SlotState } from "./standing.ts";

/** This node's own part of a pass: the starts it stands in line for, and the copies of its own to end. */
export function planOf(state: PlannerState, pass: Pass, at: Moment): PlacementPlan {
  const self = state.hostById.get(state.config.self);
  if (self === undefined) return { starts: [], stops: [], again: Number.POSITIVE_INFINITY };
  const planning: Planning = { state, pass, at, self, stopByUid: new Map(), again: nextOf(state) };
  const starts = startsOf(planning);
  for (const [group, slots] of ownSlots(planning)) {
    for (const slot of slots) {
      stopEvicted(planning, group, slot);
      stopYielding(planning, group, slot);
      stopOutdated(planning, group, slot);
      stopSmaller(planning, group, slot);
      stopSurplus(planning, group, slot);
    }
  }
  for (const { pods, why } of pass.yielding) for (const pod of pods) stop(planning, pod, "updated", why);
  for (const { group, slot, victims } of pass.preemptions) {
    const { ref, priority } = group.wanted.workload;
    const why = `${slot.slot} of ${ref.kind} ${ref.name} (priority ${priority}) needs the room`;
    for (const pod of victims) stop(planning, pod, "preempted", why);
  }
  stopUnwanted(planning);
  const stops = [...planning.stopByUid.values()].sort((left, right) => (left.uid < right.uid ? -1 : 1));
  return { starts, stops, again: Math.max(0, planning.again - at.now) };
}

type Planning = {
  readonly state: PlannerState;
  readonly pass: Pass;
  readonly at: Moment;
  readonly self: Host;
  readonly stopByUid: Map<string, PlacementPlan["stops"][number]>;
  again: Instant;
};

function nextOf(state: PlannerState): Instant {
  let again: Instant = Number.POSITIVE_INFINITY;
  for (const { standing } of state.timed) again = Math.min(again, standing.again);
  return again;
}

/** The slots for which this node lines up. */
function startsOf({ pass, self, state }: Planning): PlacementPlan["starts"] {
  const starts: PlacementPlan["starts"][number][] = [];
  for (const { group, slot, variant, line, why } of pass.assignments) {
    const rank = line.findIndex(({ host }) => host === self);
    const place = line[rank];
    if (place === undefined) continue;
    const { workload } = group.wanted;
    const named = variant.name === "" ? "" : `, variant ${variant.name}`;
    starts.push({
      workload: workload.ref,
      slot: slot.slot,
      revision: workload.revision,
      variant: variant.name === "" ? undefined : variant.name,
      after: rank * state.config.claimDelay,
      behind: line.slice(0, rank).map(({ host }) => host.node.id),
      why: `${why}; rank ${rank + 1} of ${line.length}${named}: ${noteOf(place)}`,
    });
  }
  return starts;
}

/** The slots in which this node has a copy. */
function ownSlots({ state, self }: Planning): Map<Group, Set<SlotState>> {
  const own = new Map<Group, Set<SlotState>>();
  for (const { workload, slot } of self.pods.values()) {
    const group = state.wantedByKey.get(workloadKey(workload))?.groupBySlot.get(slot);
    const found = group?.standing.states.find((candidate) => candidate.slot === slot);
    if (group === undefined || found === undefined) continue;
    own.set(group, (own.get(group) ?? new Set<SlotState>()).add(found));
  }
  return own;
}

function stopEvicted(planning: Planning, { wanted }: Group, { live }: SlotState): void {
  if (evictedAt(planning.self.node, wanted.workload) > planning.at.wall) return;
  for (const pod of live)
    stop(planning, pod, "not-allowed", "the node has a NoExecute taint that it does not tolerate");
}

/**
 * An evicted copy ends once another is ready in its place; at once where it serves nobody, or no other node
 * has room: whoever evicts wants it gone. A DaemonSet's slot is its node's, so nobody else takes it.
 */
function stopYielding(planning: Planning, group: Group, { slot, live, current }: SlotState): void {
  const { state, pass } = planning;
  const isReplaced = current.some((pod) => pod.ready && isAlive(state, pod));
  const isStuck = pass.waiting.some((of) => of.group === group && of.slot.slot === slot);
  for (const pod of live) {
    if (pod.yields !== true) continue;
    if (isReplaced) stop(planning, pod, "evicted", `${slot} runs elsewhere`);
    else if (!pod.ready) stop(planning, pod, "evicted", "it was not ready");
    else if (group.ownerBySlot !== undefined) stop(planning, pod, "evicted", "its slot is of this node");
    else if (isStuck) stop(planning, pod, "evicted", "no other node may run it");
  }
}

/**
 * Old copies end once the wanted revision is ready in their place; spare ones that never got ready, at once.
 * What a node that just came back into view said of its copies before may be long past: it is given the
 * quiet period to say it anew.
 */
function stopOutdated(planning: Planning, { wanted }: Group, { slot, current, old }: SlotState): void {
  const { state } = planning;
  const ready = current.filter((pod) => pod.ready && isAlive(state, pod));
  if (ready.length > 0) {
    if (!ready.some((pod) => pod.node === state.config.self || isQuiet(planning, [pod]))) return;
    for (const pod of old)
      stop(planning, pod, "updated", `${slot} runs revision ${wanted.workload.revision}`);
    return;
  }
  const [best, ...spare] = [...old].sort(bestFirst("keepOriginal"));
  if (best === undefined) return;
  for (const pod of spare) {
    if (best.ready && !pod.ready && isAlive(planning.state, best)) {
      stop(planning, pod, "updated", `revision ${pod.revision} is no longer wanted and never became ready`);
    }
  }
}

/** A smaller variant ends once a larger one is ready in its place. */
function stopSmaller(planning: Planning, { wanted }: Group, { slot, current }: SlotState): void {
  if (wanted.ladder.length < 2 || current.length < 2) return;
  const ready = current.filter((pod) => pod.ready && isAlive(planning.state, pod));
  const best = Math.min(...ready.map((pod) => rungOf(wanted, pod)));
  const losers = current.filter((pod) => rungOf(wanted, pod) > best);
  if (losers.length === 0 || !isQuiet(planning, current)) return;
  const name = wanted.ladder[best]?.name ?? "";
  for (const pod of losers) stop(planning, pod, "updated", `${slot} runs variant ${name}`);
}

/**
 * Of several live copies of one revision one stays. After nodes came back into view nothing moves for
 * the quiet period; copies that raced for a slot in plain view are sorted out at once.
 */
function stopSurplus(planning: Planning, { wanted }: Group, { slot, current, old }: SlotState): void {
  const { state } = planning;
  const { onHeal } = wanted.workload.policy;
  const byRung = wanted.ladder.map((_, rung) => current.filter((pod) => rungOf(wanted, pod) === rung));
  for (const copies of [...byRung, sameRevision(old)]) {
    const reachable = copies.filter((pod) => isAlive(state, pod));
    const [keep, ...losers] = [...reachable].sort(bestFirst(onHeal));
    if (keep === undefined || losers.length === 0) continue;
    if (!isQuiet(planning, reachable)) continue;
    const keeper = state.hostById.get(keep.node)?.node.name ?? keep.node;
    for (const pod of losers) stop(planning, pod, "surplus", `${slot} also runs on ${keeper} (${onHeal})`);
  }
}

/** Whether the verdicts on the copies' nodes have stood for the quiet period. */
function isQuiet(planning: Planning, pods: readonly PlacePod[]): boolean {
  const { state, at } = planning;
  const since = Math.max(...pods.map(({ node }) => state.hostById.get(node)?.node.verdictSince ?? 0));
  const quietAt = since + state.config.quietPeriod;
  if (quietAt <= at.now) return true;
  planning.again = Math.min(planning.again, quietAt);
  return false;
}

/** Old copies of one slot and one revision; mixed revisions are left to the update. */
function sameRevision(old: readonly PlacePod[]): readonly PlacePod[] {
  return old.every(({ revision }) => revision === old[0]?.revision) ? old : [];
}

function bestFirst(onHeal: "keepOriginal" | "keepReplacement"): (left: PlacePod, right: PlacePod) => number {
  const sign = onHeal === "keepOriginal" ? 1 : -1;
  return (left, right) =>
    Number(right.ready) - Number(left.ready) ||
    sign * (left.claimedAt - right.claimedAt) ||
    (left.uid < right.uid ? -1 : 1);
}

/** Own copies of slots that nobody wants any more, or that are another site's or node's. */
function stopUnwanted(planning: Planning): void {
  const { state, self } = planning;
  for (const pod of self.pods.values()) {
    if (pod.ended) continue;
    const wanted = state.wantedByKey.get(workloadKey(pod.workload));
    const group = wanted?.groupBySlot.get(pod.slot);
    if (wanted === undefined) stop(planning, pod, "deleted", "the workload was deleted");
    else if (group === undefined) {
      if (pod.yields === true || !isBegun(wanted.workload, pod.slot))
        stop(planning, pod, "scaled-down", `${pod.slot} is no longer wanted`);
    } else if (!mayHold(group, pod.slot, self))
      stop(planning, pod, "not-allowed", `${pod.slot} is not for a node of site ${self.node.site}`);
  }
}

/** The first reason counts. */
function stop({ self, stopByUid }: Planning, pod: PlacePod, reason: StopReason, why: string): void {
  const { uid } = pod;
  if (pod.node === self.node.id && !stopByUid.has(uid)) stopByUid.set(uid, { uid, reason, why });
}
