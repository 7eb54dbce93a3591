import { hash53 } from "../kernel/hash.ts";
import { seconds, type Duration, type Instant } from "../kernel/time.ts";
import { workloadKey } from "../placement/slots.ts";
import type { Workload } from "../placement/contract.ts";
import { detailOf } from "./levels.ts";
import type { NodeState } from "./state.ts";

/**
 * Which slots of a mesh-wide workload are this place's to fill, where nobody sees all nodes: each slot is
 * given to a region and there to a site, by rendezvous hashing over the places that are known. Reachability
 * has no say: a site that is cut off keeps its slots and its copies, and nobody fills them twice.
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
  const held = slotsHeld(state, key);
  const elsewhere = slotsElsewhere(state, key);
  const slots = Array.from({ length: spread.replicas }, (_, at) => `mesh/${at}`);
  // A slot that was given to another place is held until a copy is ready there.
  return slots.filter((slot) =>
    isOurs(state, `${key} ${slot}`) ? settled || held.has(slot) : held.has(slot) && !elsewhere.has(slot),
  );
}

function isOurs(state: NodeState, slot: string): boolean {
  const { identity, index } = state;
  const regions = new Map([...index.regionSummaries].map(([name, { body }]) => [name, weightOf(body.sites)]));
  if (!regions.has(identity.region)) regions.set(identity.region, 1);
  if (first(slot, regions) !== identity.region) return false;
  if (detailOf(state) === "region") return true;
  const sites = new Map([...index.siteSummaries.keys()].map((name) => [name, 1]));
  sites.set(identity.site, 1);
  return first(slot, sites) === identity.site;
}

function first(slot: string, weights: ReadonlyMap<string, number>): string | undefined {
  let best: { readonly name: string; readonly score: number } | undefined;
  for (const [name, weight] of weights) {
    for (let share = 0; share < weight; share++) {
      const score = hash53(`${slot} ${name} ${share}`);
      if (best === undefined || score > best.score || (score === best.score && name < best.name))
        best = { name, score };
    }
  }
  return best?.name;
}

function weightOf(sites: number): number {
  let weight = 1;
  while (2 * weight <= Math.min(sites, weightMax)) weight *= 2;
  return weight;
}

/** Slots that a copy of our place fills, or filled before its machine restarted. */
function slotsHeld({ index }: NodeState, key: string): ReadonlySet<string> {
  const held = new Set<string>();
  for (const { pods } of index.factsByNode.values()) {
    for (const { body } of pods.values()) if (workloadKey(body.workload) === key) held.add(body.slot);
  }
  return held;
}

/** Slots that another place says a ready copy of it fills. */
function slotsElsewhere({ index, identity }: NodeState, key: string): ReadonlySet<string> {
  const others = [
    ...[...index.siteSummaries].filter(([name]) => name !== identity.site),
    ...[...index.regionSummaries].filter(([name]) => name !== identity.region),
  ];
  const filled = new Set<string>();
  for (const [, { body }] of others) {
    for (const { name, slots } of body.workloads)
      if (name === key) for (const slot of slots ?? []) filled.add(slot);
  }
  return filled;
}
