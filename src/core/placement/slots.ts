import type { ObjectRef } from "../records/keys.ts";
import { isWithin, type Place } from "../records/scope.ts";
import type { LabelSelector, Until, Workload, WorkloadSpread } from "./contract.ts";
import type { Group, PlannerState, Site, Wanted } from "./planner-state.ts";
import { nothingStands } from "./standing.ts";

/**
 * Brings the groups of a workload at a site in line with what there is: they come and go with the site,
 * the workload and what it selects.
 *
 * @returns The group, new or kept; undefined when the workload has none there.
 */
export function tendGroup(state: PlannerState, wanted: Wanted, site: Site | undefined): Group | undefined {
  const name = site?.name ?? "";
  const { spread } = wanted.workload;
  const held = wanted.groups.get(name);
  if (!wantsGroup(wanted.workload, site)) {
    if (held !== undefined) dropGroup(state, held);
    return undefined;
  }
  const group: Group = held ?? {
    wanted,
    site,
    slots: [],
    ownerBySlot: undefined,
    standing: nothingStands,
  };
  wanted.groups.set(name, group);
  const base = site === undefined ? "mesh" : `site/${site.name}`;
  if (spread.type !== "per-node" && spread.until !== undefined)
    setSlots(group, openSlots(slotsWanted(spread, base), base, spread.until));
  else if (spread.type === "mesh" && spread.only !== undefined) setSlots(group, spread.only);
  else if (spread.type !== "per-node" && group.slots.length !== spread.replicas)
    setSlots(group, numbered(base, spread.replicas));
  state.dirty.add(group);
  return group;
}

export function dropGroup(state: PlannerState, group: Group): void {
  setSlots(group, []);
  group.wanted.groups.delete(group.site?.name ?? "");
  for (const set of [state.dirty, state.open, state.timed]) set.delete(group);
}

export function setSlots(group: Group, slots: readonly string[]): void {
  const { groupBySlot } = group.wanted;
  for (const slot of group.slots) if (groupBySlot.get(slot) === group) groupBySlot.delete(slot);
  group.slots = slots;
  for (const slot of slots) groupBySlot.set(slot, group);
}

function wantsGroup({ spread }: Workload, site: Site | undefined): boolean {
  if (spread.type === "mesh") return site === undefined;
  if (site === undefined || site.hosts.length === 0) return false;
  if (spread.type === "per-node") return true;
  return matchesSite(spread.sites, { site: site.name, region: site.hosts[0]?.node.region ?? "" });
}

/** A site stands in its region and in those around it; it has one name. */
export function matchesSite(selector: LabelSelector, { site, region }: Place): boolean {
  return Object.entries(selector).every(([label, values]) =>
    label === "region" ? values.some((outer) => isWithin(region, outer)) : values.includes(site),
  );
}

export function workloadKey({ group, kind, namespace, name }: ObjectRef): string {
  return `${group}/${kind}/${namespace}/${name}`;
}

const slotsWanted = (
  spread: Exclude<WorkloadSpread, { type: "per-node" }>,
  base: string,
): readonly string[] => (spread.type === "mesh" ? spread.only : undefined) ?? numbered(base, spread.replicas);

/** Those that are to be filled now. */
function openSlots(slots: readonly string[], base: string, { done, atOnce, closed }: Until): string[] {
  if (closed.includes(base)) return [];
  const over = new Set(done);
  return slots.filter((slot) => !over.has(slot)).slice(0, atOnce);
}

/**
 * Whether a job's slot that was begun is run to its end, though others are to be filled now. What came before it
 * is open again when whoever had done that turns out to have been no member any more; and `atOnce` may be less.
 */
export function isBegun({ spread }: Workload, slot: string): boolean {
  if (spread.type === "per-node" || spread.until === undefined) return false;
  const base = slot.slice(0, slot.lastIndexOf("/"));
  const { done, atOnce, closed } = spread.until;
  if (atOnce === 0 || closed.includes(base) || done.includes(slot)) return false;
  return slotsWanted(spread, base).includes(slot);
}

const numbered = (base: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${base}/${at}`);
