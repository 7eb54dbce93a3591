import type { Moment, PlacePod, Requests, Variant } from "./contract.ts";
import {
  exclusions,
  given,
  lineUp,
  openField,
  type Candidate,
  type Excluded,
  hostsOf,
  type Field,
  type Rung,
} from "./line-up.ts";
import { countIn, crowdOf } from "./crowds.ts";
import type { Crowd, Group, Host, PlannerState, Wanted } from "./planner-state.ts";
import { rungOf } from "./planner-state.ts";
import { struckOff } from "./filter.ts";
import { preemptionFor } from "./preempt.ts";
import { take } from "./resources.ts";
import type { SlotState } from "./standing.ts";

/**
 * One pass over the slots that need something: each is given to the best node, one after the other, so
 * that every ranking reckons with the copies and the room given out before it. Empty slots come before
 * updates, and updates before larger variants; within each the higher priority first, then the larger
 * copies, then the names.
 */
export type Pass = {
  readonly assignments: readonly Assignment[];
  readonly waiting: readonly { readonly group: Group; readonly slot: SlotState }[];
  readonly preemptions: readonly Preempting[];
  readonly yielding: readonly Yielding[];
};

/** Copies that end before what replaces them starts, where a slot has place for one only. */
export type Yielding = {
  readonly group: Group;
  readonly slot: SlotState;
  readonly pods: readonly PlacePod[];
  readonly why: string;
};

export type Assignment = {
  readonly group: Group;
  readonly slot: SlotState;
  readonly variant: Variant;
  /** Never empty: the one who gets it, and who stands in line behind. */
  readonly line: readonly Candidate[];
  readonly excluded: readonly Excluded[];
  /** All in line have struck the workload off. */
  readonly lastResort: boolean;
  readonly why: string;
};

export type Preempting = {
  readonly group: Group;
  readonly slot: SlotState;
  readonly host: Host;
  readonly victims: readonly PlacePod[];
};

/** Nobody waits for more than so many others: by then the first would long be known to be out of reach. */
const lineMax = 16;
type Terms = Omit<Rung, "variant">;
const anywhere: Terms = { keepFree: 0 };
/** A larger variant has to leave a tenth of its node free, or it would be the first to go again. */
const withSpare: Terms = { keepFree: 10 };
/** Where it has failed too often is still better than nowhere, and worse than to end others for it. */
const lastResort: Terms = { keepFree: 0, lastResort: true };

/** @param watch `within` is shown the room as it is after the pass; `explained` gets whole lines. */
export function assignAll<T>(
  state: PlannerState,
  at: Moment,
  explained: Wanted | "all" | undefined,
  within: (pass: Pass) => T,
): T {
  const groups = [...state.open].sort(byImportance);
  const self = state.hostById.get(state.config.self);
  const passing: Passing = {
    state,
    at,
    explained,
    site: self?.node.site,
    workByGroup: new Map(),
    taken: [],
    leaving: new Set(),
    assignments: [],
    waiting: [],
    preemptions: [],
    yielding: [],
  };
  for (const group of groups) for (const slot of group.standing.empty) fill(passing, group, slot);
  const budgets = groups.map((group) => update(passing, group));
  groups.forEach((group, index) => goUp(passing, group, budgets[index] ?? 0));
  try {
    return within(passing);
  } finally {
    giveBack(passing);
  }
}

type Passing = {
  readonly state: PlannerState;
  readonly at: Moment;
  readonly explained: Wanted | "all" | undefined;
  readonly site: string | undefined;
  readonly workByGroup: Map<Group, Work>;
  /** What was taken and given back for the time of the pass. */
  readonly taken: Taken[];
  readonly leaving: Set<string>;
  readonly assignments: Assignment[];
  readonly waiting: { readonly group: Group; readonly slot: SlotState }[];
  readonly preemptions: Preempting[];
  readonly yielding: Yielding[];
};

/** A group's copies by host as they grow, and its fields by variant. */
type Work = {
  readonly counts: Map<Host, number>;
  readonly fields: FieldOf[];
  /** Whether a node has struck the workload off; not looked at yet when missing. */
  struck?: boolean;
};
type FieldOf = { readonly rung: Rung; readonly field: Field };
type Taken = {
  readonly host: Host;
  readonly requests: Requests;
  readonly copies: 1 | -1;
  readonly crowd: Crowd | undefined;
};

function fill(passing: Passing, group: Group, slot: SlotState): void {
  const { ladder } = group.wanted;
  const why = "no live copy fills the slot";
  if (give(passing, group, slot, ladder, anywhere, why)) return;
  const smallest = ladder.at(-1);
  const preemption =
    smallest === undefined
      ? undefined
      : preemptionFor(passing.state, group, slot, smallest, passing.leaving, passing.at);
  if (preemption === undefined || smallest === undefined) {
    const only = `${why}, and no node may take it but those that have struck it off`;
    if (isStruckOff(passing, group) && give(passing, group, slot, ladder, lastResort, only)) return;
    passing.waiting.push({ group, slot });
    return;
  }
  const { host, victims } = preemption;
  for (const { uid, requests } of victims) {
    passing.leaving.add(uid);
    takeFor(passing, { host, requests, copies: -1, crowd: undefined });
  }
  place(passing, group, host, smallest);
  passing.preemptions.push({ group, slot, host, victims });
}

/** @returns What is left of the budget. */
function update(passing: Passing, group: Group): number {
  const { standing, wanted } = group;
  let budget = wanted.workload.updatesAtOnce - standing.inChange;
  for (const slot of standing.outdated) {
    // Who evicts a copy has decided how many go at once.
    const urgent = !slot.live.some(({ ready, yields }) => ready && yields !== true);
    if (!urgent && budget <= 0) continue;
    if (!urgent) budget--;
    // A copy of the wanted revision starts beside the old one, at best on its node. A DaemonSet's old copy
    // goes first, as in Kubernetes: a node has one place for it. So does an exclusive one: two must never run.
    const { revision } = wanted.workload;
    if (group.ownerBySlot !== undefined || isExclusive(group)) {
      passing.yielding.push({ group, slot, pods: slot.old, why: `makes place for revision ${revision}` });
    } else {
      const why = slot.old.some(({ yields }) => yields === true)
        ? "the copy that runs is evicted"
        : `update to revision ${revision}`;
      if (!give(passing, group, slot, wanted.ladder, anywhere, why)) passing.waiting.push({ group, slot });
    }
  }
  return budget;
}

function goUp(passing: Passing, group: Group, budget: number): void {
  let left = budget;
  for (const slot of group.standing.smaller) {
    const [pod] = slot.current;
    if (left <= 0 || pod === undefined) return;
    const better = group.wanted.ladder.slice(0, rungOf(group.wanted, pod));
    const why = `there is room again for more than variant ${pod.variant ?? ""}`;
    if (!give(passing, group, slot, better, withSpare, why)) continue;
    left--;
    if (isExclusive(group)) passing.yielding.push({ group, slot, pods: slot.current, why });
  }
}

const isExclusive = ({ wanted }: Group): boolean => wanted.workload.policy.onPartition === "majority";

/** Gives the slot to the best node for the first of the variants that fits anywhere. */
function give(
  passing: Passing,
  group: Group,
  slot: SlotState,
  ladder: readonly Variant[],
  terms: Terms,
  why: string,
): boolean {
  const whole = passing.explained === "all" || passing.explained === group.wanted;
  const ours = group.site === undefined || group.site.name === passing.site;
  for (const variant of ladder) {
    const field = fieldFor(passing, group, variant, terms);
    const excluded = whole ? exclusions(field, slot) : nobody;
    const line = lineUp(field, slot, whole ? Number.POSITIVE_INFINITY : ours ? lineMax : 1);
    const [best] = line;
    if (best === undefined) continue;
    const struck = terms.lastResort === true;
    passing.assignments.push({ group, slot, variant, line, excluded, lastResort: struck, why });
    place(passing, group, best.host, variant);
    return true;
  }
  return false;
}

const nobody: Assignment["excluded"] = [];

function place(passing: Passing, group: Group, host: Host, { requests }: Variant): void {
  const { state } = passing;
  const { ref, labels } = group.wanted.workload;
  const crowd = state.looking.size > 0 ? crowdOf(state, ref.namespace, labels) : undefined;
  takeFor(passing, { host, requests, copies: 1, crowd });
  const { counts, fields } = workFor(passing, group);
  counts.set(host, (counts.get(host) ?? 0) + 1);
  for (const { field } of fields) given(field, host);
}

function takeFor(passing: Passing, taken: Taken): void {
  take(taken.host.used, taken.requests, taken.copies);
  if (taken.crowd !== undefined) countIn(taken.crowd, taken.host, taken.copies);
  passing.taken.push(taken);
}

function giveBack({ taken }: Passing): void {
  for (const { host, requests, copies, crowd } of taken) {
    take(host.used, requests, copies === 1 ? -1 : 1);
    if (crowd !== undefined) countIn(crowd, host, copies === 1 ? -1 : 1);
  }
}

function workFor({ workByGroup }: Passing, group: Group): Work {
  const known = workByGroup.get(group);
  if (known !== undefined) return known;
  const work: Work = { counts: new Map(group.standing.countByHost), fields: [] };
  workByGroup.set(group, work);
  return work;
}

function fieldFor(passing: Passing, group: Group, variant: Variant, terms: Terms): Field {
  const { counts, fields } = workFor(passing, group);
  for (const { rung, field } of fields) {
    const { keepFree, lastResort: last } = rung;
    if (rung.variant === variant && keepFree === terms.keepFree && last === terms.lastResort) return field;
  }
  const rung: Rung = { ...terms, variant };
  const field = openField(passing.state, group, rung, counts, passing.at);
  fields.push({ rung, field });
  return field;
}

function isStruckOff(passing: Passing, group: Group): boolean {
  const work = workFor(passing, group);
  work.struck ??= [...hostsOf(passing.state, group)].some(
    ({ node }) => struckOff(node, group.wanted.workload, passing.at.wall) !== undefined,
  );
  return work.struck;
}

export function byImportance(left: Group, right: Group): number {
  const [one, other] = [left.wanted, right.wanted];
  if (one !== other) {
    return (
      other.workload.priority - one.workload.priority ||
      other.size - one.size ||
      (one.key < other.key ? -1 : 1)
    );
  }
  return (left.site?.name ?? "") < (right.site?.name ?? "") ? -1 : 1;
}
