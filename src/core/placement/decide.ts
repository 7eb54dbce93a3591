import type { Duration } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { PlaceNode, PlacementInput, PlacementPlan, PlacePod, StopReason, Workload } from "./contract.ts";
import { isEvicted, isLost } from "./filter.ts";
import { openLedger, type Ledger } from "./ledger.ts";
import { rankNodes } from "./rank.ts";
import { groupsOf, inOrder, podsBySlot, workloadKey, type SlotGroup } from "./slots.ts";

/**
 * What this node is to start and stop now, from its view alone. Every node computes the same answer from
 * the same view, whatever the order of the lists, and carries out its own part of it.
 */
export function decide(unordered: PlacementInput): PlacementPlan {
  const input = inOrder(unordered);
  const plan: Plan = { starts: [], stops: [], again: Number.POSITIVE_INFINITY };
  const nodeById = new Map(input.nodes.map((node) => [node.id, node] as const));
  const self = nodeById.get(input.self);
  if (self === undefined) return plan;
  const pods = podsBySlot(input.pods);
  const ledger = openLedger(input);
  const wanted = new Set<string>();
  for (const workload of input.workloads) {
    const bySlot = pods.get(workloadKey(workload.ref)) ?? new Map<string, PlacePod[]>();
    for (const group of groupsOf(workload, input.nodes)) {
      for (const slot of group.slots) wanted.add(`${workloadKey(workload.ref)} ${slot}`);
      if (!group.nodes.some(({ id }) => id === self.id)) continue;
      decideGroup({ input, plan, self, nodeById, ledger, workload, group, bySlot });
    }
  }
  stopUnwanted(input, plan, wanted);
  return plan;
}

type Plan = {
  readonly starts: PlacementPlan["starts"][number][];
  readonly stops: PlacementPlan["stops"][number][];
  again: Duration;
};

type Deciding = {
  readonly input: PlacementInput;
  readonly plan: Plan;
  readonly self: PlaceNode;
  readonly nodeById: ReadonlyMap<NodeId, PlaceNode>;
  readonly ledger: Ledger;
  readonly workload: Workload;
  readonly group: SlotGroup;
  readonly bySlot: ReadonlyMap<string, readonly PlacePod[]>;
};

/** One slot as it stands. */
type SlotState = {
  readonly slot: string;
  readonly pods: readonly PlacePod[];
  /** Copies that hold the slot: not ended, on nodes that are not lost. */
  readonly live: readonly PlacePod[];
  /** Those of the wanted revision, and the others. */
  readonly current: readonly PlacePod[];
  readonly old: readonly PlacePod[];
};

function decideGroup(deciding: Deciding): void {
  const { group, workload } = deciding;
  const states = group.slots.map((slot) => slotState(deciding, slot));
  const counts = countCopies(deciding, states);
  for (const state of states) {
    if (state.live.length === 0) assign(deciding, state, counts, "no live copy fills the slot");
    else {
      stopEvicted(deciding, state);
      stopOutdated(deciding, state);
      stopSurplus(deciding, state);
    }
  }
  let budget = workload.updatesAtOnce - states.filter((state) => inChange(deciding, state)).length;
  for (const state of states) {
    if (!isOutdated(deciding, state)) continue;
    const urgent = !state.live.some(({ ready }) => ready);
    if (!urgent && budget <= 0) continue;
    if (!urgent) budget--;
    update(deciding, state, counts);
  }
}

function slotState({ bySlot, nodeById, workload }: Deciding, slot: string): SlotState {
  const pods = bySlot.get(slot) ?? [];
  const live = pods.filter((pod) => {
    const node = nodeById.get(pod.node);
    return !pod.ended && node !== undefined && !isLost(node, workload.policy);
  });
  const current = live.filter(({ revision }) => revision === workload.revision);
  const old = live.filter(({ revision }) => revision !== workload.revision);
  return { slot, pods, live, current, old };
}

function countCopies(
  { nodeById, plan, workload }: Deciding,
  states: readonly SlotState[],
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { live } of states) {
    for (const pod of live) {
      const node = nodeById.get(pod.node);
      if (node === undefined) continue;
      count(counts, node);
      if (node.verdict !== "unreachable" || workload.policy.onPartition !== "duplicate") continue;
      plan.again = Math.min(plan.again, Math.max(0, workload.policy.lostAfter - node.verdictFor));
    }
  }
  return counts;
}

/** Gives the slot to the best node; the others line up behind it. */
function assign(deciding: Deciding, state: SlotState, counts: Map<string, number>, why: string): void {
  const { workload, group, ledger, plan, self, input } = deciding;
  const { ranked } = rankNodes(state.slot, workload, group, state.pods, counts, ledger);
  const [best] = ranked;
  if (best === undefined) return;
  count(counts, best.node);
  ledger.take(best.node.id, workload.requests);
  const rank = ranked.findIndex(({ node }) => node.id === self.id);
  if (rank < 0) return;
  plan.starts.push({
    workload: workload.ref,
    slot: state.slot,
    revision: workload.revision,
    after: rank * input.claimDelay,
    why: `${why}; rank ${rank + 1} of ${ranked.length}: ${ranked[rank]?.note ?? ""}`,
  });
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

/** Slots that are not settled take from the budget of an update, wherever their trouble comes from. */
function inChange(deciding: Deciding, { live, current }: SlotState): boolean {
  const reachable = live.filter((pod) => isAlive(deciding, pod));
  if (live.length > 0 && reachable.length === 0) return false;
  return !reachable.some(({ ready }) => ready) || current.some(({ ready }) => !ready);
}

/** Runs an older revision here, and no copy of the wanted one yet; copies out of reach are let be. */
function isOutdated(deciding: Deciding, { current, old }: SlotState): boolean {
  return current.length === 0 && old.length > 0 && old.every((pod) => isAlive(deciding, pod));
}

/**
 * A copy of the wanted revision starts beside the old one, at best on its node. A DaemonSet's old copy
 * goes first, as in Kubernetes: a node has one place for it.
 */
function update(deciding: Deciding, state: SlotState, counts: Map<string, number>): void {
  const { workload, group } = deciding;
  if (group.ownerOf(state.slot) === undefined) {
    return assign(deciding, state, counts, `update to revision ${workload.revision}`);
  }
  for (const pod of state.old)
    stop(deciding, pod, "updated", `makes place for revision ${workload.revision}`);
}

function stopUnwanted(input: PlacementInput, plan: Plan, wanted: ReadonlySet<string>): void {
  const existing = new Set(input.workloads.map(({ ref }) => workloadKey(ref)));
  for (const pod of input.pods) {
    const key = workloadKey(pod.workload);
    if (pod.node !== input.self || pod.ended || wanted.has(`${key} ${pod.slot}`)) continue;
    const gone = !existing.has(key);
    const why = gone ? "the workload was deleted" : `${pod.slot} is no longer wanted`;
    plan.stops.push({ uid: pod.uid, reason: gone ? "deleted" : "scaled-down", why });
  }
}

function stop({ plan, self }: Deciding, pod: PlacePod, reason: StopReason, why: string): void {
  if (pod.node !== self.id || plan.stops.some(({ uid }) => uid === pod.uid)) return;
  plan.stops.push({ uid: pod.uid, reason, why });
}

function isAlive({ nodeById }: Deciding, pod: PlacePod): boolean {
  return nodeById.get(pod.node)?.verdict === "alive";
}

function count(counts: Map<string, number>, node: PlaceNode): void {
  for (const key of [node.id, `site ${node.site}`]) counts.set(key, (counts.get(key) ?? 0) + 1);
}
