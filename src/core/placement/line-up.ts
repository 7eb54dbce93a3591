import type { Moment, Variant } from "./contract.ts";
import { isAvoided, isOfTier, mismatchOf, struckOff, unavailable, type Exclusion } from "./filter.ts";
import { rulesHold } from "./label-rules.ts";
import type { Group, Host, PlannerState } from "./planner-state.ts";
import { weightedScore } from "./rendezvous.ts";
import { shortageOf } from "./resources.ts";
import { moveBack, openSites, siteAt, type SiteRow, type Sites } from "./site-order.ts";
import type { SlotState } from "./standing.ts";
import { looksAtPods, topologyOf, type Topology } from "./topology.ts";

/**
 * The nodes that may fill a slot, best first: whoever ran it before; then most preference points; then,
 * for a mesh-wide workload, the site with the fewest copies; then the node with the fewest; equals in the
 * order of weighted rendezvous hashing of workload and site, workload and node. So the copies of a
 * workload are dealt out like cards, and a node or a site that joins or goes moves nobody else's.
 *
 * One field serves all slots of a group in one placement: rooms only fill up meanwhile, so a node that
 * did not fit once is not looked at again, and a copy costs the few nodes at the top.
 */
export type Field = {
  readonly state: PlannerState;
  readonly group: Group;
  readonly rung: Rung;
  /** Copies of the group, those given out included; whoever gives one out counts it here. */
  readonly countByHost: ReadonlyMap<Host, number>;
  readonly at: Moment;
  /** Best points first. */
  classes: readonly Class[] | undefined;
  topology: Topology | undefined;
};

export type Candidate = {
  readonly host: Host;
  readonly score: number;
  readonly points: number;
  /** Copies of the workload on the host. */
  readonly copies: number;
  readonly before: "runs it" | "ran it" | undefined;
};

export type Rung = {
  readonly variant: Variant;
  readonly keepFree: number;
  /** Nodes that have struck the workload off count as well: nobody else may take the slot. */
  readonly lastResort?: boolean | undefined;
};
export type Excluded = { readonly host: Host; readonly exclusion: Exclusion };

type Class = { readonly points: number; readonly sites: Sites };

export const openField = (
  state: PlannerState,
  group: Group,
  rung: Rung,
  countByHost: ReadonlyMap<Host, number>,
  at: Moment,
): Field => ({ state, group, rung, countByHost, at, classes: undefined, topology: undefined });

/** The first `max` feasible nodes. */
export function lineUp(field: Field, slot: SlotState, max: number): readonly Candidate[] {
  const { state, group } = field;
  const social = looksAtPods(state, group);
  // What other pods do changes with every copy given out.
  if (social) openAgain(field, slot);
  const owner = group.ownerBySlot?.get(slot.slot);
  const line = slot.pods.length === 0 ? [] : incumbents(field, slot, owner);
  const left = hostsLeft(state, slot);
  if (owner !== undefined) {
    if (line.length === 0 && fits(field, owner)) line.push(candidate(field, owner, undefined));
    return line;
  }
  field.classes ??= classesOf(field);
  const known = line.length;
  for (const { points, sites } of field.classes) {
    for (let of = 0; line.length < max; of++) {
      const site = siteAt(sites, of);
      if (site === undefined) break;
      const rows = (site.rows ??= rowsOf(field, site));
      for (let at = 0; at < rows.length && line.length < max; at++) {
        const row = rows[at];
        if (row === undefined) continue;
        const { host, copies, score } = row;
        if (!fits(field, host)) {
          if (!social) rows.splice(at--, 1);
        } else if (!left.has(host) && (known === 0 || !includes(line, known, host)))
          line.push({ host, score, points, copies, before: undefined });
      }
      if (rows.length === 0) sites.front.splice(of--, 1);
    }
  }
  return line;
}

/** A copy was given to the host: it moves behind its equals. */
export function given({ state, group, classes }: Field, host: Host): void {
  if (classes === undefined || looksAtPods(state, group)) return;
  for (const { sites } of classes) {
    const { front } = sites;
    const at = front.findIndex(({ name }) => group.site !== undefined || name === host.node.site);
    const site = front[at];
    if (site === undefined) continue;
    site.copies++;
    moveBack(front, at, sites.compare);
    const row = site.rows?.findIndex((candidate) => candidate.host === host) ?? -1;
    const moved = site.rows?.[row];
    if (site.rows === undefined || moved === undefined) continue;
    moved.copies++;
    moveBack(site.rows, row, byCopies);
  }
}

/** Those who cannot take the slot, by id, with the first filter that fails. */
export function exclusions(field: Field, slot: SlotState): readonly Excluded[] {
  const { state, group, rung, at } = field;
  if (looksAtPods(state, group)) openAgain(field, slot);
  const owner = group.ownerBySlot?.get(slot.slot);
  return [...hostsOf(state, group)].sort(byId).flatMap((host) => {
    if (owner !== undefined && owner !== host) return [];
    const exclusion =
      exclusionFor(group, host, rung, field.topology, at) ??
      (hostsLeft(state, slot).has(host) ? { filter: "evicted", detail: "its copy is evicted" } : undefined);
    return exclusion === undefined ? [] : [{ host, exclusion }];
  });
}

/** Why somebody stands in line. */
export function noteOf({ before, copies }: Candidate): string {
  if (before !== undefined) return before === "ran it" ? "ran it before" : "runs it now";
  return copies === 0 ? "runs no other copy" : `runs ${copies} other copies`;
}

/** The first thing that keeps a new copy off the host. */
export function exclusionFor(
  { wanted }: Group,
  host: Host,
  { variant, keepFree, lastResort }: Rung,
  topology: Topology | undefined,
  at: Moment,
): Exclusion | undefined {
  const { node, used } = host;
  const fixed = unavailable(node) ?? mismatchOf(node, wanted.workload, wanted.ladder, at.wall);
  if (fixed !== undefined) return fixed;
  const struck = lastResort === true ? undefined : struckOff(node, wanted.workload, at.wall);
  if (struck !== undefined) return struck;
  if (!isOfTier(node, variant.minTier))
    return { filter: "tier", detail: `variant ${variant.name} wants tier ${variant.minTier} or better` };
  const shortage = shortageOf(node.allocatable, used, variant.requests, keepFree);
  if (shortage !== undefined) return { filter: shortage.resource, detail: shortage.detail };
  return topology?.exclusionOf(host);
}

export function* hostsOf(state: PlannerState, { site }: Group): Iterable<Host> {
  if (site !== undefined) return yield* site.hosts;
  for (const { hosts } of state.siteByName.values()) yield* hosts;
}

function openAgain(field: Field, slot: SlotState): void {
  const { state, group } = field;
  field.topology = topologyOf(state, group, () => hostsOf(state, group), slot);
  field.classes = undefined;
}

const fits = ({ group, rung, topology, at }: Field, host: Host): boolean =>
  exclusionFor(group, host, rung, topology, at) === undefined;

function includes(line: readonly Candidate[], known: number, host: Host): boolean {
  for (let at = 0; at < known; at++) if (line[at]?.host === host) return true;
  return false;
}

const noHosts: ReadonlySet<Host> = new Set();

/** The nodes that a copy of the slot is being evicted from. */
function hostsLeft(state: PlannerState, { live }: SlotState): ReadonlySet<Host> {
  if (!live.some(({ yields }) => yields === true)) return noHosts;
  return new Set(live.flatMap((pod) => (pod.yields === true ? (state.hostById.get(pod.node) ?? []) : [])));
}

/** Who ran the slot before and may again. */
function incumbents(field: Field, slot: SlotState, owner: Host | undefined): Candidate[] {
  const { state, group } = field;
  const { pods } = slot;
  const left = hostsLeft(state, slot);
  const endedByHost = new Map<Host, boolean>();
  for (const pod of pods) {
    const host = state.hostById.get(pod.node);
    if (host === undefined || !(pod.ended || pod.ready)) continue;
    if (group.site !== undefined && host.node.site !== group.site.name) continue;
    endedByHost.set(host, pod.ended || (endedByHost.get(host) ?? false));
  }
  return [...endedByHost]
    .filter(([host]) => (owner === undefined || owner === host) && !left.has(host) && fits(field, host))
    .map(([host, ended]) => candidate(field, host, ended ? "ran it" : "runs it"))
    .sort((left, right) => right.points - left.points || byScore(left, right));
}

const candidate = (field: Field, host: Host, before: Candidate["before"]): Candidate => ({
  host,
  before,
  score: scoreOn(field, host),
  points: hasPreferences(field) ? pointsOf(field, host) : 0,
  copies: field.countByHost.get(host) ?? 0,
});

/** Weighted by whole cores, 1 to 64: it changes only when the machine does. */
function scoreOn({ group }: Field, { key, node }: Host): number {
  const cores = Math.floor(node.allocatable.cpuMilli / 1000);
  return weightedScore(group.wanted.hash, key, Math.min(64, Math.max(1, cores)));
}

function rowsOf(field: Field, { hosts }: SiteRow): NonNullable<SiteRow["rows"]> {
  const { countByHost } = field;
  const rows = hosts.map((host) => ({
    host,
    score: scoreOn(field, host),
    copies: countByHost.get(host) ?? 0,
  }));
  return rows.sort(byCopies);
}

/** Without preferences all nodes are of one class. */
function classesOf(field: Field): readonly Class[] {
  const { state, group, countByHost } = field;
  const sites = group.site === undefined ? [...state.siteByName.values()] : [group.site];
  if (!hasPreferences(field)) return [{ points: 0, sites: openSites(group, sites, countByHost) }];
  const byPoints = new Map<number, Map<string, Host[]>>();
  for (const { name, hosts } of sites) {
    for (const host of hosts) {
      const points = pointsOf(field, host);
      const inClass = byPoints.get(points) ?? new Map<string, Host[]>();
      byPoints.set(points, inClass);
      const members = inClass.get(name) ?? [];
      inClass.set(name, members);
      members.push(host);
    }
  }
  return [...byPoints]
    .sort(([left], [right]) => right - left)
    .map(([points, inClass]) => {
      const some = sites.flatMap((site) => {
        const hosts = inClass.get(site.name);
        return hosts === undefined ? [] : [{ ...site, hosts }];
      });
      return { points, sites: openSites(group, some, countByHost) };
    });
}

/** An untolerated soft taint outweighs any sum of preferences. */
const avoidedPoints = -1_000_000;

function hasPreferences({ state, group: { wanted } }: Field): boolean {
  if (state.softTainted > 0) return true;
  const { nodePreferred, podPreferred, podAvoided, spreads } = wanted.workload.constraints;
  return nodePreferred.length + podPreferred.length + podAvoided.length + spreads.length > 0;
}

function pointsOf({ group, topology }: Field, host: Host): number {
  const { workload } = group.wanted;
  let points = isAvoided(host.node, workload) ? avoidedPoints : 0;
  for (const { rules, weight } of workload.constraints.nodePreferred)
    if (rulesHold(rules, host.node.labels)) points += weight;
  return points + (topology?.pointsOf(host) ?? 0);
}

type Scored = { readonly host: Host; readonly score: number };
const byId = (left: Host, right: Host): number => (left.node.id < right.node.id ? -1 : 1);
const byScore = (left: Scored, right: Scored): number =>
  right.score - left.score || byId(left.host, right.host);
const byCopies = (left: Scored & { copies: number }, right: Scored & { copies: number }): number =>
  left.copies - right.copies || byScore(left, right);
