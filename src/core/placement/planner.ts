import type { WallTime } from "../kernel/time.ts";
import type { ObjectRef } from "../records/keys.ts";
import { assignAll, type Pass } from "./assign.ts";
import type {
  Forecast,
  Moment,
  NodeOnSlot,
  PlaceNode,
  PlacementInput,
  PlacementPlan,
  PlacePod,
  PlannerConfig,
  PlannerEvent,
  Requests,
  SlotExplanation,
  Variant,
  Workload,
  WorkloadStanding,
} from "./contract.ts";
import { countPod } from "./crowds.ts";
import { explainWorkload } from "./explain.ts";
import { isOfTier, mismatchOf, struckOff, unavailable } from "./filter.ts";
import { forecastOf } from "./forecast.ts";
import { whyOutOfReach } from "./out-of-reach.ts";
import { planOf } from "./plan.ts";
import type { Group, Host, PlannerState, Site, Wanted } from "./planner-state.ts";
import { rungOf } from "./planner-state.ts";
import { rendezvousKey } from "./rendezvous.ts";
import { nothingUsed, shortageOf, sizeOf, take } from "./resources.ts";
import { dropGroup, setSlots, tendGroup, workloadKey } from "./slots.ts";
import { nothingStands, ownersOf, standingOf } from "./standing.ts";
import { isLooking } from "./topology.ts";
import { whyNot } from "./why-not.ts";

/**
 * Placement as a machine that lives as long as its node: it is told what changed and keeps how every slot
 * stands, so that a change costs what it touches. Its answers depend on what it was told last of each
 * node, workload and pod, not on the order; `decide` is a new one told everything at once.
 */
export type Planner = {
  readonly handle: (event: PlannerEvent) => void;
  readonly plan: (at: Moment) => PlacementPlan;
  readonly explain: (ref: ObjectRef, at: Moment) => readonly SlotExplanation[];
  /** A node, by name, against every slot of a workload; undefined when either is not there. */
  readonly whyNot: (ref: ObjectRef, node: string, at: Moment) => readonly NodeOnSlot[] | undefined;
  /** Where every slot is, or would be placed now. */
  readonly forecast: (at: Moment) => readonly Forecast[];
  /** Whether some node could take another copy beside what runs, topology and preemption left aside. */
  readonly hasRoom: (ref: ObjectRef, wall: WallTime) => boolean;
  /** Whether this node has room for one more copy beside what runs and what it takes on together with it. */
  readonly takes: (together: readonly Requests[], one: Requests) => boolean;
  readonly standing: (ref: ObjectRef, at: Moment) => WorkloadStanding | undefined;
  /** What it was told of a workload's pods, sorted by uid. */
  readonly podsOf: (ref: ObjectRef) => readonly PlacePod[];
  /** All that it was told, to be recorded and decided again elsewhere. */
  readonly input: (at: Moment) => PlacementInput;
};

export function createPlanner(config: PlannerConfig): Planner {
  const state: PlannerState = {
    config,
    hostById: new Map(),
    siteByName: new Map(),
    wantedByKey: new Map(),
    podByUid: new Map(),
    crowdByKey: new Map(),
    looking: new Set(),
    repelling: new Set(),
    softTainted: 0,
    dirty: new Set(),
    open: new Set(),
    timed: new Set(),
    newWanted: new Set(),
    changedSites: new Set(),
  };
  const withPass = <T>(at: Moment, explained: Wanted | "all" | undefined, use: (pass: Pass) => T): T => {
    refresh(state, at);
    return assignAll(state, at, explained, use);
  };
  return {
    handle: (event) => handle(state, event),
    plan: (at) => withPass(at, undefined, (pass) => planOf(state, pass, at)),
    explain: (ref, at) => {
      const wanted = state.wantedByKey.get(workloadKey(ref));
      if (wanted === undefined) return [];
      return withPass(at, wanted, (pass) => explainWorkload(state, pass, wanted, at));
    },
    whyNot: (ref, name, at) => {
      const wanted = state.wantedByKey.get(workloadKey(ref));
      const host = [...state.hostById.values()].find(({ node }) => node.name === name);
      if (wanted === undefined || host === undefined) return undefined;
      return withPass(at, wanted, (pass) =>
        whyNot(state, pass, wanted, host, explainWorkload(state, pass, wanted, at), at),
      );
    },
    forecast: (at) => withPass(at, undefined, (pass) => forecastOf(state, pass)),
    hasRoom: (ref, wall) => {
      const wanted = state.wantedByKey.get(workloadKey(ref));
      return wanted !== undefined && [...state.hostById.values()].some((host) => fits(host, wanted, wall));
    },
    takes: (together, one) => {
      const self = state.hostById.get(config.self);
      if (self === undefined) return false;
      for (const requests of together) take(self.used, requests, 1);
      const shortage = shortageOf(self.node.allocatable, self.used, one);
      for (const requests of together) take(self.used, requests, -1);
      return shortage === undefined;
    },
    standing: (ref, at) => {
      const wanted = state.wantedByKey.get(workloadKey(ref));
      return wanted === undefined
        ? undefined
        : withPass(at, undefined, (pass) => workloadStanding(state, wanted, pass));
    },
    podsOf: (ref) => {
      const pods = [...(state.wantedByKey.get(workloadKey(ref))?.podsBySlot.values() ?? [])].flat();
      return pods.sort((left, right) => (left.uid < right.uid ? -1 : 1));
    },
    input: (at) => ({
      ...config,
      ...at,
      nodes: sortedValues(state.hostById).map(({ node }) => node),
      workloads: sortedValues(state.wantedByKey).map(({ workload }) => workload),
      pods: sortedValues(state.podByUid),
    }),
  };
}

function handle(state: PlannerState, event: PlannerEvent): void {
  switch (event.type) {
    case "node":
      return nodeChanged(state, event.node);
    case "node-gone": {
      const host = state.hostById.get(event.id);
      if (host === undefined) return;
      state.hostById.delete(event.id);
      if (hasSoftTaint(host.node)) state.softTainted--;
      for (const pod of host.pods.values()) uncount(state, host, pod);
      leaveSite(state, host);
      return;
    }
    case "workload":
      return workloadChanged(state, event.workload);
    case "workload-gone": {
      const wanted = state.wantedByKey.get(workloadKey(event.ref));
      if (wanted === undefined) return;
      for (const group of wanted.groups.values()) dropGroup(state, group);
      state.wantedByKey.delete(wanted.key);
      state.repelling.delete(wanted);
      state.looking.delete(wanted);
      state.newWanted.delete(wanted);
      return;
    }
    case "pod":
      podGone(state, event.pod.uid);
      return podCame(state, event.pod);
    case "pod-gone":
      return podGone(state, event.uid);
  }
}

function nodeChanged(state: PlannerState, node: PlaceNode): void {
  const known = state.hostById.get(node.id);
  if (known === undefined) {
    const host: Host = {
      node,
      key: rendezvousKey(node.id),
      used: nothingUsed(),
      pods: new Map(),
    };
    state.hostById.set(node.id, host);
    if (hasSoftTaint(node)) state.softTainted++;
    joinSite(state, host);
    for (const pod of state.podByUid.values()) if (pod.node === node.id) count(state, host, pod);
    return;
  }
  const before = known.node;
  state.softTainted += Number(hasSoftTaint(node)) - Number(hasSoftTaint(before));
  const moved = before.site !== node.site;
  if (moved) leaveSite(state, known);
  known.node = node;
  if (moved) joinSite(state, known);
  else if (!isSamePlace(before, node)) state.changedSites.add(node.site);
  for (const pod of known.pods.values()) touch(state, pod);
}

/** Nothing of it that decides where a DaemonSet runs, or whether a site is selected, is different. */
const isSamePlace = (before: PlaceNode, after: PlaceNode): boolean =>
  before.region === after.region &&
  before.labels === after.labels &&
  before.taints === after.taints &&
  before.runtimes === after.runtimes;

function joinSite(state: PlannerState, host: Host): void {
  const name = host.node.site;
  const site: Site = state.siteByName.get(name) ?? { name, key: rendezvousKey(`site ${name}`), hosts: [] };
  state.siteByName.set(name, site);
  const at = site.hosts.findIndex(({ node }) => node.id > host.node.id);
  site.hosts = at < 0 ? [...site.hosts, host] : site.hosts.toSpliced(at, 0, host);
  state.changedSites.add(name);
}

/** A site without nodes goes when its groups have been looked at. */
function leaveSite(state: PlannerState, host: Host): void {
  const site = state.siteByName.get(host.node.site);
  if (site === undefined) return;
  site.hosts = site.hosts.filter((other) => other !== host);
  state.changedSites.add(site.name);
}

function workloadChanged(state: PlannerState, workload: Workload): void {
  const key = workloadKey(workload.ref);
  const known = state.wantedByKey.get(key);
  const ladder = ladderOf(workload);
  const size = sizeOf(ladder[0]?.requests ?? workload.requests);
  if (known !== undefined && known.workload.spread.type !== workload.spread.type) {
    for (const group of known.groups.values()) dropGroup(state, group);
  }
  const wanted: Wanted = known ?? {
    workload,
    key,
    hash: rendezvousKey(key),
    ladder,
    size,
    podsBySlot: new Map(),
    groups: new Map(),
    groupBySlot: new Map(),
  };
  Object.assign(wanted, { workload, ladder, size });
  if (known === undefined) {
    state.wantedByKey.set(key, wanted);
    for (const pod of state.podByUid.values()) if (workloadKey(pod.workload) === key) keepInSlot(wanted, pod);
  }
  keepIf(state.repelling, wanted, workload.constraints.podForbidden.length > 0);
  keepIf(state.looking, wanted, isLooking(workload));
  state.newWanted.add(wanted);
}

/** One rung for a workload without a ladder: what the template asks for, on any tier. */
const ladderOf = ({ variants, requests }: Workload): readonly Variant[] =>
  variants.length > 0 ? variants : [{ name: "", minTier: 3, requests }];

function podCame(state: PlannerState, pod: PlacePod): void {
  state.podByUid.set(pod.uid, pod);
  const host = state.hostById.get(pod.node);
  if (host !== undefined) count(state, host, pod);
  const wanted = state.wantedByKey.get(workloadKey(pod.workload));
  if (wanted !== undefined) keepInSlot(wanted, pod);
  touch(state, pod);
}

function podGone(state: PlannerState, uid: string): void {
  const pod = state.podByUid.get(uid);
  if (pod === undefined) return;
  state.podByUid.delete(uid);
  const host = state.hostById.get(pod.node);
  if (host !== undefined) uncount(state, host, pod);
  const wanted = state.wantedByKey.get(workloadKey(pod.workload));
  const left = wanted?.podsBySlot.get(pod.slot)?.filter((other) => other.uid !== uid) ?? [];
  if (left.length > 0) wanted?.podsBySlot.set(pod.slot, left);
  else wanted?.podsBySlot.delete(pod.slot);
  touch(state, pod);
}

function keepInSlot({ podsBySlot }: Wanted, pod: PlacePod): void {
  const others = podsBySlot.get(pod.slot) ?? [];
  podsBySlot.set(
    pod.slot,
    [...others, pod].sort((left, right) => (left.uid < right.uid ? -1 : 1)),
  );
}

function count(state: PlannerState, host: Host, pod: PlacePod): void {
  host.pods.set(pod.uid, pod);
  if (!pod.ended) take(host.used, pod.requests, 1);
  countPod(state, host, pod, 1);
  touch(state, pod);
}

function uncount(state: PlannerState, host: Host, pod: PlacePod): void {
  host.pods.delete(pod.uid);
  if (!pod.ended) take(host.used, pod.requests, -1);
  countPod(state, host, pod, -1);
  touch(state, pod);
}

/** The slot that the pod stands in has to be looked at again. */
function touch(state: PlannerState, pod: PlacePod): void {
  const group = state.wantedByKey.get(workloadKey(pod.workload))?.groupBySlot.get(pod.slot);
  if (group !== undefined) state.dirty.add(group);
}

/** Brings groups and their standing up to date. */
function refresh(state: PlannerState, at: Moment): void {
  for (const wanted of state.newWanted) {
    if (wanted.workload.spread.type === "mesh") tendGroup(state, wanted, undefined);
    else for (const site of state.siteByName.values()) tendGroup(state, wanted, site);
  }
  state.newWanted.clear();
  for (const name of state.changedSites) {
    const site = state.siteByName.get(name);
    if (site === undefined) continue;
    for (const wanted of state.wantedByKey.values())
      if (wanted.workload.spread.type !== "mesh") tendGroup(state, wanted, site);
    if (site.hosts.length === 0) state.siteByName.delete(name);
  }
  state.changedSites.clear();
  for (const group of state.timed) if (group.standing.again <= at.now) state.dirty.add(group);
  for (const group of state.dirty) lookAt(state, group, at);
  state.dirty.clear();
}

function lookAt(state: PlannerState, group: Group, at: Moment): void {
  let again = Number.POSITIVE_INFINITY;
  if (group.wanted.workload.spread.type === "per-node") {
    const owned = ownersOf(group, at);
    group.ownerBySlot = owned.owners;
    setSlots(group, [...owned.owners.keys()]);
    again = owned.again;
  }
  const standing = standingOf(state, group, at);
  group.standing = again < standing.again ? { ...standing, again } : standing;
  const { empty, outdated, smaller } = standing;
  keepIf(state.open, group, empty.length + outdated.length + smaller.length > 0);
  keepIf(state.timed, group, group.standing.again < Number.POSITIVE_INFINITY);
  if (group.slots.length === 0) group.standing = { ...nothingStands, again: group.standing.again };
}

function workloadStanding(
  state: PlannerState,
  wanted: Wanted,
  { waiting, preemptions }: Pass,
): WorkloadStanding {
  const groups = [...wanted.groups.values()];
  const [best] = wanted.ladder;
  return {
    wanted: groups.reduce((sum, { slots }) => sum + slots.length, 0),
    waiting: [...waiting, ...preemptions]
      .filter(({ group, slot }) => group.wanted === wanted && slot.live.length === 0)
      .map(({ group, slot: { slot } }) => ({ slot, outOfReach: whyOutOfReach(state, group, slot) }))
      .sort((left, right) => (left.slot < right.slot ? -1 : 1)),
    smaller: groups
      .flatMap(({ standing }) => standing.states)
      .flatMap(({ slot, current }) => {
        const rungs = current.map((pod) => rungOf(wanted, pod));
        const variant = wanted.ladder[Math.min(...rungs)];
        return rungs.length === 0 || variant === undefined || variant === best
          ? []
          : [{ slot, variant: variant.name }];
      })
      .sort((left, right) => (left.slot < right.slot ? -1 : 1)),
  };
}

function fits({ node, used }: Host, { workload, ladder }: Wanted, wall: WallTime): boolean {
  const isExcluded =
    unavailable(node) ?? mismatchOf(node, workload, ladder, wall) ?? struckOff(node, workload, wall);
  if (isExcluded !== undefined) return false;
  return ladder.some(
    ({ minTier, requests }) =>
      isOfTier(node, minTier) && shortageOf(node.allocatable, used, requests) === undefined,
  );
}

const hasSoftTaint = ({ taints }: PlaceNode): boolean =>
  taints.some(({ effect }) => effect === "PreferNoSchedule");

function keepIf<T>(set: Set<T>, item: T, keep: boolean): void {
  if (keep) set.add(item);
  else set.delete(item);
}

const sortedValues = <T>(map: ReadonlyMap<string, T>): T[] =>
  [...map].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, value]) => value);
