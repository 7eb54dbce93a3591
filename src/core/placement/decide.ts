import type { Duration } from "../kernel/time.ts";
import type { PlaceNode, PlacementInput, PlacementPlan, PlacePod, StopReason } from "./contract.ts";
import { isEvicted } from "./filter.ts";
import { concerns, inOrder, mayHold, slotKey, workloadKey } from "./slots.ts";
import { isAlive, survey, type SlotState, type Survey, type Surveyed } from "./survey.ts";

/**
 * What this node is to start and stop now, from its view alone. Every node computes the same answer from
 * the same view, whatever the order of the lists, and carries out its own part of it.
 */
export function decide(unordered: PlacementInput): PlacementPlan {
  const input = inOrder(unordered);
  const plan: Plan = { starts: [], stops: [], again: Number.POSITIVE_INFINITY };
  const self = input.nodes.find(({ id }) => id === input.self);
  if (self === undefined) return plan;
  const surveyed = survey(input, self);
  for (const group of surveyed.groups) {
    if (concerns(group.group, self)) decideGroup({ ...surveyed, ...group, input, plan, self });
  }
  stopUnwanted(input, surveyed, plan, self);
  return plan;
}

type Plan = {
  readonly starts: PlacementPlan["starts"][number][];
  readonly stops: PlacementPlan["stops"][number][];
  again: Duration;
};

type Deciding = Survey &
  Surveyed & { readonly input: PlacementInput; readonly plan: Plan; readonly self: PlaceNode };

function decideGroup(deciding: Deciding): void {
  const { states, yielding, workload } = deciding;
  noteLoss(deciding);
  start(deciding);
  for (const state of states) {
    stopEvicted(deciding, state);
    stopOutdated(deciding, state);
    stopSurplus(deciding, state);
  }
  for (const { old } of yielding)
    for (const pod of old) stop(deciding, pod, "updated", `makes place for revision ${workload.revision}`);
}

/** When copies out of reach are going to count as lost. */
function noteLoss({ states, nodeById, workload, plan }: Deciding): void {
  const { onPartition, lostAfter } = workload.policy;
  for (const pod of states.flatMap(({ live }) => live)) {
    const node = nodeById.get(pod.node);
    if (node?.verdict !== "unreachable" || onPartition === "freeze") continue;
    plan.again = Math.min(plan.again, Math.max(0, lostAfter - node.verdictFor));
  }
}

/** The slots for which this node lines up. */
function start({ assigned, workload, plan, self, input }: Deciding): void {
  for (const { slot, ranking, why } of assigned) {
    const { ranked } = ranking;
    const rank = ranked.findIndex(({ node }) => node.id === self.id);
    if (rank < 0) continue;
    plan.starts.push({
      workload: workload.ref,
      slot,
      revision: workload.revision,
      after: rank * input.claimDelay,
      why: `${why}; rank ${rank + 1} of ${ranked.length}: ${ranked[rank]?.note ?? ""}`,
    });
  }
}

function stopEvicted(deciding: Deciding, { live }: SlotState): void {
  if (!isEvicted(deciding.self, deciding.workload)) return;
  for (const pod of live)
    stop(deciding, pod, "not-allowed", "the node has a NoExecute taint that it does not tolerate");
}

/** Old copies end once the wanted revision is ready in their place; spare ones that never got ready, at once. */
function stopOutdated(deciding: Deciding, { slot, current, old }: SlotState): void {
  if (current.some((pod) => pod.ready && isAlive(deciding, pod))) {
    for (const pod of old)
      stop(deciding, pod, "updated", `${slot} runs revision ${deciding.workload.revision}`);
    return;
  }
  const [best, ...spare] = [...old].sort(bestFirst("keepOriginal"));
  if (best === undefined) return;
  for (const pod of spare) {
    if (best.ready && !pod.ready && isAlive(deciding, best)) {
      stop(deciding, pod, "updated", `revision ${pod.revision} is no longer wanted and never became ready`);
    }
  }
}

/**
 * Of several live copies of one revision one stays. After nodes came back into view nothing moves for
 * the quiet period; copies that raced for a slot in plain view are sorted out at once.
 */
function stopSurplus(deciding: Deciding, { slot, current, old }: SlotState): void {
  const { input, plan, nodeById, workload } = deciding;
  for (const copies of [current, sameRevision(old)]) {
    const reachable = copies.filter((pod) => isAlive(deciding, pod));
    const [keep, ...losers] = [...reachable].sort(bestFirst(workload.policy.onHeal));
    if (keep === undefined || losers.length === 0) continue;
    const youngest = Math.min(...reachable.map((pod) => nodeById.get(pod.node)?.verdictFor ?? 0));
    if (youngest < input.quietPeriod) {
      plan.again = Math.min(plan.again, input.quietPeriod - youngest);
      continue;
    }
    const keeper = nodeById.get(keep.node)?.name ?? keep.node;
    for (const pod of losers) {
      stop(deciding, pod, "surplus", `${slot} also runs on ${keeper} (${workload.policy.onHeal})`);
    }
  }
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
function stopUnwanted(input: PlacementInput, { groupBySlot }: Survey, plan: Plan, self: PlaceNode): void {
  const existing = new Set(input.workloads.map(({ ref }) => workloadKey(ref)));
  for (const pod of input.pods) {
    if (pod.node !== self.id || pod.ended) continue;
    const { uid, slot } = pod;
    const group = groupBySlot.get(slotKey(pod.workload, slot));
    if (group === undefined) {
      const gone = !existing.has(workloadKey(pod.workload));
      const why = gone ? "the workload was deleted" : `${slot} is no longer wanted`;
      plan.stops.push({ uid, reason: gone ? "deleted" : "scaled-down", why });
    } else if (!mayHold(group, slot, self)) {
      plan.stops.push({ uid, reason: "not-allowed", why: `${slot} is not for a node of site ${self.site}` });
    }
  }
}

function stop({ plan, self }: Deciding, pod: PlacePod, reason: StopReason, why: string): void {
  if (pod.node !== self.id || plan.stops.some(({ uid }) => uid === pod.uid)) return;
  plan.stops.push({ uid: pod.uid, reason, why });
}
