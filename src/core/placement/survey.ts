import type { NodeId } from "../records/record.ts";
import type { PlaceNode, PlacementInput, PlacePod, Workload } from "./contract.ts";
import { isLost } from "./filter.ts";
import { openLedger, type Ledger } from "./ledger.ts";
import { rankNodes, type Ranking } from "./rank.ts";
import { concerns, groupsOf, mayHold, podsBySlot, slotKey, workloadKey, type SlotGroup } from "./slots.ts";

/**
 * One pass over the slots of all workloads: how each stands, and to whom those that need a copy are given,
 * one after the other, so that each ranking reckons with the copies and the room given out before it.
 * `decide` takes its node's part of it, `explain` tells it.
 */
export type Survey = {
  readonly groups: readonly Surveyed[];
  /** Every wanted slot, by `slotKey`. */
  readonly groupBySlot: ReadonlyMap<string, SlotGroup>;
  readonly nodeById: ReadonlyMap<NodeId, PlaceNode>;
  /** What is taken, all that was given out included. */
  readonly ledger: Ledger;
};

/** A group of slots after the pass. */
export type Surveyed = {
  readonly workload: Workload;
  readonly group: SlotGroup;
  readonly states: readonly SlotState[];
  /** Slots that need a copy, in the order in which they were given out. */
  readonly assigned: readonly Assignment[];
  /** Slots of a DaemonSet whose old copies make place for the wanted revision. */
  readonly yielding: readonly SlotState[];
  /** Copies of the workload by node and site, those given out included. */
  readonly counts: ReadonlyMap<string, number>;
};

export type Assignment = { readonly slot: string; readonly ranking: Ranking; readonly why: string };

/** One slot as it stands. */
export type SlotState = {
  readonly slot: string;
  readonly pods: readonly PlacePod[];
  /** Copies that hold the slot: not ended, where they belong, on nodes that are not lost. */
  readonly live: readonly PlacePod[];
  /** Those of the wanted revision, and the others. */
  readonly current: readonly PlacePod[];
  readonly old: readonly PlacePod[];
};

type Looking = {
  readonly nodeById: ReadonlyMap<NodeId, PlaceNode>;
  readonly workload: Workload;
  readonly group: SlotGroup;
  readonly bySlot: ReadonlyMap<string, readonly PlacePod[]>;
};

type Surveying = Looking & {
  readonly ledger: Ledger;
  readonly counts: Map<string, number>;
  readonly assigned: Assignment[];
};

/**
 * @param input With its lists in order: see `inOrder`.
 * @param only Leaves out what cannot matter to this node: other sites, unless mesh-wide slots compete for
 *   the room there.
 */
export function survey(input: PlacementInput, only?: PlaceNode): Survey {
  const nodeById = new Map(input.nodes.map((node) => [node.id, node] as const));
  const ledger = openLedger(input);
  const pods = podsBySlot(input.pods);
  const podsOf = ({ ref }: Workload): ReadonlyMap<string, readonly PlacePod[]> =>
    pods.get(workloadKey(ref)) ?? new Map<string, PlacePod[]>();
  const everywhere =
    only === undefined ||
    input.workloads.some((workload) => {
      if (workload.spread.type !== "mesh") return false;
      const bySlot = podsOf(workload);
      return groupsOf(workload, input.nodes).some((group) =>
        wantsRoom({ nodeById, workload, group, bySlot }),
      );
    });
  const groups: Surveyed[] = [];
  const groupBySlot = new Map<string, SlotGroup>();
  for (const workload of input.workloads) {
    const bySlot = podsOf(workload);
    for (const group of groupsOf(workload, input.nodes)) {
      for (const slot of group.slots) groupBySlot.set(slotKey(workload.ref, slot), group);
      if (!everywhere && !concerns(group, only)) continue;
      groups.push(
        surveyGroup({ nodeById, ledger, workload, group, bySlot, counts: new Map(), assigned: [] }),
      );
    }
  }
  return { groups, groupBySlot, nodeById, ledger };
}

export const isAlive = ({ nodeById }: Pick<Survey, "nodeById">, pod: PlacePod): boolean =>
  nodeById.get(pod.node)?.verdict === "alive";

function surveyGroup(surveying: Surveying): Surveyed {
  const { group, workload, counts, assigned, nodeById } = surveying;
  const states = group.slots.map((slot) => slotState(surveying, slot));
  for (const { live } of states) {
    for (const pod of live) {
      const node = nodeById.get(pod.node);
      if (node !== undefined) count(counts, node);
    }
  }
  for (const state of states)
    if (state.live.length === 0) assign(surveying, state, "no live copy fills the slot");
  const yielding: SlotState[] = [];
  let budget = workload.updatesAtOnce - states.filter((state) => inChange(surveying, state)).length;
  for (const state of states) {
    if (!isOutdated(surveying, state)) continue;
    const urgent = !state.live.some(({ ready }) => ready);
    if (!urgent && budget <= 0) continue;
    if (!urgent) budget--;
    // A copy of the wanted revision starts beside the old one, at best on its node. A DaemonSet's old copy
    // goes first, as in Kubernetes: a node has one place for it.
    // An exclusive copy goes first too: two must never run.
    const onlyOne = group.ownerOf(state.slot) !== undefined || workload.policy.onPartition === "majority";
    if (onlyOne) yielding.push(state);
    else assign(surveying, state, `update to revision ${workload.revision}`);
  }
  return { workload, group, states, assigned, yielding, counts };
}

/** Whether any slot of the group may have to be given out; the budget of an update may still say no. */
function wantsRoom(looking: Looking): boolean {
  return looking.group.slots.some((slot) => {
    const state = slotState(looking, slot);
    return state.live.length === 0 || isOutdated(looking, state);
  });
}

function slotState({ bySlot, nodeById, workload, group }: Looking, slot: string): SlotState {
  const pods = bySlot.get(slot) ?? [];
  const live = pods.filter((pod) => {
    const node = nodeById.get(pod.node);
    const held = !pod.ended && node !== undefined && mayHold(group, slot, node);
    return held && !isLost(node, workload.policy);
  });
  const current = live.filter(({ revision }) => revision === workload.revision);
  const old = live.filter(({ revision }) => revision !== workload.revision);
  return { slot, pods, live, current, old };
}

/** Gives the slot to the best node; the others line up behind it. */
function assign(
  { workload, group, ledger, counts, assigned }: Surveying,
  state: SlotState,
  why: string,
): void {
  const ranking = rankNodes(state.slot, workload, group, state.pods, counts, ledger);
  assigned.push({ slot: state.slot, ranking, why });
  const [best] = ranking.ranked;
  if (best === undefined) return;
  count(counts, best.node);
  ledger.take(best.node.id, workload.requests);
}

/** Slots that are not settled take from the budget of an update, wherever their trouble comes from. */
function inChange(looking: Looking, { live, current }: SlotState): boolean {
  const reachable = live.filter((pod) => isAlive(looking, pod));
  if (live.length > 0 && reachable.length === 0) return false;
  return !reachable.some(({ ready }) => ready) || current.some(({ ready }) => !ready);
}

/** Runs an older revision here, and no copy of the wanted one yet; copies out of reach are let be. */
function isOutdated(looking: Looking, { current, old }: SlotState): boolean {
  return current.length === 0 && old.length > 0 && old.every((pod) => isAlive(looking, pod));
}

function count(counts: Map<string, number>, node: PlaceNode): void {
  for (const key of [node.id, `site ${node.site}`]) counts.set(key, (counts.get(key) ?? 0) + 1);
}
