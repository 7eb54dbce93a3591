import { hash53 } from "../kernel/hash.ts";
import { seconds, type Duration, type Instant } from "../kernel/time.ts";
import { workloadKey } from "../placement/slots.ts";
import type { Workload } from "../placement/contract.ts";
import { detailOf } from "./levels.ts";
import { levelsOf, type Level, type Part } from "./parts.ts";
import type { NodeState } from "./state.ts";

/**
 * Which slots of a mesh-wide workload are this place's to fill, where nobody sees all nodes: each slot is
 * given to a part of the mesh, there to a part of that region, and so on to a site, by rendezvous hashing over the
 * parts that are known and whose summary does not say that they can take no more. Whoever has a copy keeps it:
 * nobody else fills the slot. Reachability has no say: a site that is cut off keeps its slots and its copies.
 */

/** A place that has just come up hears of the others first. */
const hearFirst: Duration = seconds(10);
/** A region weighs as much as it has sites, in powers of two, up to this. */
const weightMax = 64;

/** When our place's share changes because time passed alone; Infinity when it does not. */
export function shareChangesAt(state: NodeState, now: Instant): Instant {
  const at = state.bootedAt + hearFirst;
  return detailOf(state) === "mesh" || now >= at ? Number.POSITIVE_INFINITY : at;
}

export function allotted(state: NodeState, workload: Workload, now: Instant): readonly string[] {
  const { spread, ref } = workload;
  if (spread.type !== "mesh") return [];
  const key = workloadKey(ref);
  const settled = now >= state.bootedAt + hearFirst;
  const here = slotsHere(state, key);
  const levels = levelsOf(state).map(({ own, parts }) => ({
    own,
    places: placesOf(own, parts(), key, here),
  }));
  const others = levels.flatMap(({ own, places }) => places.filter(({ id }) => id !== own));
  const isOurs = (slot: string): boolean =>
    levels.every(({ own, places }) => first(key, slot, places) === own);
  /** Of those where a copy is ready, and us, the first: of two that gave a slot away one goes on. */
  const isKept = (slot: string): boolean => levels.every(({ own, places }) => leads(key, slot, places, own));
  const slots = Array.from({ length: spread.replicas }, (_, at) => `mesh/${at}`);
  return slots.filter((slot) => {
    // A slot that was given to another place is held until a copy is ready there.
    if (here.has(slot)) return isKept(slot);
    return settled && !others.some((place) => holds(place, slot)) && isOurs(slot);
  });
}

/** What is known of a place and one workload. */
type Place = {
  readonly id: string;
  readonly weight: number;
  readonly full: boolean;
  readonly ready: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
};

const holds = ({ ready, claims }: Place, slot: string): boolean => ready.has(slot) || claims.has(slot);

/** The parts of a region, ours among them. */
function placesOf(
  own: string,
  parts: ReturnType<Level["parts"]>,
  key: string,
  here: ReadonlySet<string>,
): readonly Place[] {
  const places = [...parts.values()].map((part) => placeOf(part, key, part.id === own ? here : nothing));
  if (!parts.has(own)) places.push({ id: own, weight: 1, full: false, ready: nothing, claims: here });
  return places;
}

const nothing: ReadonlySet<string> = new Set();

/** @param here What we know better than its summary. */
function placeOf({ id, summary }: Part, key: string, here: ReadonlySet<string>): Place {
  const said = summary.workloads.find(({ name }) => name === key);
  const claims = new Set([...(said?.claims ?? []), ...here]);
  const weight = "sites" in summary ? weightOf(summary.sites) : 1;
  return { id, weight, full: said?.full === true, ready: new Set(said?.slots), claims };
}

/** Of those that have the slot or can take it the first by hash; where nobody can, it waits at the first. */
function first(key: string, slot: string, places: readonly Place[]): string | undefined {
  const able = places.filter((place) => !place.full || holds(place, slot));
  let best: { readonly id: string; readonly score: number } | undefined;
  for (const { id, weight } of able.length > 0 ? able : places) {
    for (let share = 0; share < weight; share++) {
      const score = hash53(`${key} ${slot} ${id} ${share}`);
      if (best === undefined || score > best.score || (score === best.score && id < best.id))
        best = { id, score };
    }
  }
  return best?.id;
}

/** Whatever they weigh: two who know weights of different ages would both give the slot away. */
function leads(key: string, slot: string, places: readonly Place[], own: string): boolean {
  const holders = places.filter(({ id, ready }) => id === own || ready.has(slot));
  const alike = holders.map((place) => ({ ...place, weight: 1 }));
  return first(key, slot, alike) === own;
}

function weightOf(sites: number): number {
  let weight = 1;
  while (2 * weight <= Math.min(sites, weightMax)) weight *= 2;
  return weight;
}

/** Slots that a copy of our place fills, or filled before its machine restarted. */
function slotsHere({ index }: NodeState, key: string): ReadonlySet<string> {
  const held = new Set<string>();
  for (const { pods } of index.factsByNode.values()) {
    for (const { body } of pods.values()) if (workloadKey(body.workload) === key) held.add(body.slot);
  }
  return held;
}
