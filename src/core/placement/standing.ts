import { wallOf } from "../kernel/hybrid-clock.ts";
import { seconds, type Duration, type Instant } from "../kernel/time.ts";
import type { Moment, PlacePod } from "./contract.ts";
import { belongsOn, evictedAt, isLost, patienceWith } from "./filter.ts";
import { isAlive, mayHold, rungOf, type Group, type Host, type PlannerState } from "./planner-state.ts";

/** A copy of a smaller variant runs at least so long before a larger one is tried: no to and fro. */
export const variantHold: Duration = seconds(60);

/** How the slots of a group stand: everything that only its own pods and their nodes decide. */
export type Standing = {
  /** Slots that have pods. */
  readonly states: readonly SlotState[];
  /** Slots that nothing fills. */
  readonly empty: readonly SlotState[];
  /** Slots that run an older revision alone. */
  readonly outdated: readonly SlotState[];
  /** Slots that have run a smaller variant for long enough. */
  readonly smaller: readonly SlotState[];
  /** Slots that are not settled take from the budget of an update, wherever their trouble comes from. */
  readonly inChange: number;
  readonly countByHost: ReadonlyMap<Host, number>;
  /** When time alone changes it. */
  readonly again: Instant;
};

/** One slot as it stands. */
export type SlotState = {
  readonly slot: string;
  readonly pods: readonly PlacePod[];
  /** Copies that hold the slot: not ended, where they belong, on nodes that are not lost. */
  readonly live: readonly PlacePod[];
  /** Those of the wanted revision that stay, and the others. */
  readonly current: readonly PlacePod[];
  readonly old: readonly PlacePod[];
};

const noCopies: ReadonlyMap<Host, number> = new Map();

export const nothingStands: Standing = {
  states: [],
  empty: [],
  outdated: [],
  smaller: [],
  inChange: 0,
  countByHost: noCopies,
  again: Number.POSITIVE_INFINITY,
};

const noPods: readonly PlacePod[] = [];

export function standingOf(state: PlannerState, group: Group, at: Moment): Standing {
  const { wanted } = group;
  const states: SlotState[] = [];
  const empty: SlotState[] = [];
  const outdated: SlotState[] = [];
  const smaller: SlotState[] = [];
  let countByHost: Map<Host, number> | undefined;
  let inChange = 0;
  let again: Instant = Number.POSITIVE_INFINITY;
  for (const slot of group.slots) {
    const pods = wanted.podsBySlot.get(slot);
    if (pods === undefined) {
      empty.push({ slot, pods: noPods, live: noPods, current: noPods, old: noPods });
      inChange++;
      continue;
    }
    const slotState = slotStateOf(state, group, slot, pods, at);
    states.push(slotState);
    for (const pod of slotState.live) {
      const host = state.hostById.get(pod.node);
      if (host === undefined) continue;
      countByHost ??= new Map();
      countByHost.set(host, (countByHost.get(host) ?? 0) + 1);
      again = Math.min(again, nextChange(group, host, at));
    }
    if (isInChange(state, slotState)) inChange++;
    if (slotState.live.length === 0) empty.push(slotState);
    else if (isOutdated(state, slotState)) outdated.push(slotState);
    else {
      const due = upAt(state, group, slotState, at);
      if (due <= at.now) smaller.push(slotState);
      else again = Math.min(again, due);
    }
  }
  return { states, empty, outdated, smaller, inChange, countByHost: countByHost ?? noCopies, again };
}

/** The slots of a DaemonSet's group: the nodes of the site that may run it. */
export function ownersOf(group: Group, at: Moment): { owners: Map<string, Host>; again: Instant } {
  const { workload, ladder } = group.wanted;
  const owners = new Map<string, Host>();
  let again: Instant = Number.POSITIVE_INFINITY;
  for (const host of group.site?.hosts ?? []) {
    if (!belongsOn(host.node, workload, ladder, at.wall)) continue;
    owners.set(`node/${host.node.id}`, host);
    again = Math.min(again, evictionIn(group, host, at));
  }
  return { owners, again };
}

function slotStateOf(
  state: PlannerState,
  group: Group,
  slot: string,
  pods: readonly PlacePod[],
  at: Moment,
): SlotState {
  const { workload } = group.wanted;
  const live = pods.filter((pod) => {
    const host = state.hostById.get(pod.node);
    if (pod.ended || host === undefined || !mayHold(group, slot, host)) return false;
    return !isLost(host.node, workload.policy, at.now);
  });
  const current = live.filter(({ revision, yields }) => revision === workload.revision && yields !== true);
  const old = current.length === live.length ? noPods : live.filter((pod) => !current.includes(pod));
  return { slot, pods, live, current, old };
}

/** Reachable, and not ready; copies out of reach are let be. */
function isInChange(state: PlannerState, { live, current }: SlotState): boolean {
  if (live.length === 0) return true;
  const reachable = live.filter((pod) => isAlive(state, pod));
  if (reachable.length === 0) return false;
  return !reachable.some(({ ready }) => ready) || current.some(({ ready }) => !ready);
}

/** Runs only what is to go, on nodes that may be touched; copies out of reach are let be. */
function isOutdated(state: PlannerState, { current, old }: SlotState): boolean {
  const mayGo = (pod: PlacePod): boolean =>
    isAlive(state, pod) && (pod.yields === true || state.hostById.get(pod.node)?.node.heldBack !== true);
  return current.length === 0 && old.length > 0 && old.every(mayGo);
}

/** When a larger variant may be tried in place of the copies of a slot; Infinity when they run the best. */
function upAt(state: PlannerState, { wanted }: Group, { current }: SlotState, at: Moment): Instant {
  if (wanted.ladder.length < 2 || current.length !== 1) return Number.POSITIVE_INFINITY;
  const [pod] = current;
  if (pod === undefined || !pod.ready || !isAlive(state, pod) || rungOf(wanted, pod) === 0)
    return Number.POSITIVE_INFINITY;
  if (state.hostById.get(pod.node)?.node.heldBack === true) return Number.POSITIVE_INFINITY;
  return at.now + Math.max(0, wallOf(pod.claimedAt) + variantHold - at.wall);
}

/** When a live copy on the host is going to count as lost or be evicted, by time alone. */
function nextChange(group: Group, host: Host, at: Moment): Instant {
  const { node } = host;
  const patience = patienceWith(node, group.wanted.workload.policy);
  const eviction = node.taints.length === 0 ? Number.POSITIVE_INFINITY : evictionIn(group, host, at);
  return Math.min(eviction, Math.max(at.now, node.verdictSince + patience));
}

function evictionIn({ wanted }: Group, { node }: Host, at: Moment): Instant {
  const evicted = evictedAt(node, wanted.workload);
  return evicted > at.wall ? at.now + (evicted - at.wall) : Number.POSITIVE_INFINITY;
}
