import type { Moment, Variant } from "./contract.ts";
import { isAvoided, isOfTier, mismatchOf, unavailable, type Exclusion } from "./filter.ts";
import { rulesHold } from "./label-rules.ts";
import type { Group, Host, PlannerState, Site } from "./planner-state.ts";
import { rendezvousScore } from "./rendezvous.ts";
import { shortageOf } from "./resources.ts";
import type { SlotState } from "./standing.ts";
import { looksAtPods, topologyOf, type Topology } from "./topology.ts";

/**
 * The nodes that may fill a slot, best first: whoever ran it before; then most preference points; then,
 * for a mesh-wide workload, the site with the fewest copies; then the node with the fewest; equals in the
 * order of weighted rendezvous hashing of workload and site, workload and node. So the copies of a
 * workload are dealt out like cards, and a node or a site that joins or goes moves nobody else's.
 *
 * One `Field` serves all slots of a group in one placement: rooms only fill up meanwhile, so a node that
 * did not fit once is not looked at again, and a copy costs the few nodes at the top.
 */
export type Field = {
  /** The first `max` feasible nodes. */
  readonly lineUp: (slot: SlotState, max: number) => readonly Candidate[];
  /** A copy was given to the host: it moves behind its equals. */
  readonly given: (host: Host) => void;
  /** Everybody else, with the first filter that fails. */
  readonly exclusions: (slot: SlotState) => readonly { readonly host: Host; readonly exclusion: Exclusion }[];
};

export type Candidate = {
  readonly host: Host;
  readonly score: number;
  readonly points: number;
  readonly note: string;
};

export type Rung = { readonly variant: Variant; readonly keepFree: number };

/** Rows of one preference class, by site; sites in the order in which they are asked. */
type Class = { readonly points: number; readonly sites: SiteRow[] };
type SiteRow = {
  readonly name: string;
  readonly order: number;
  copies: number;
  hosts: readonly Host[];
  rows: Row[] | undefined;
};
type Row = { readonly host: Host; readonly score: number; copies: number };

export function openField(
  state: PlannerState,
  group: Group,
  rung: Rung,
  countByHost: ReadonlyMap<Host, number>,
  at: Moment,
): Field {
  const social = looksAtPods(state, group);
  const ranked = hasPreferences(state, group);
  let classes: Class[] | undefined;
  let topology: Topology | undefined;
  const score = ({ node, key }: Host): number =>
    rendezvousScore(group.wanted.hash, key, weightOf(node.allocatable.cpuMilli));
  const points = (host: Host): number => (ranked ? pointsOf(group, host, topology) : 0);

  const setUp = (slot: SlotState): Class[] => {
    if (social) topology = topologyOf(state, group, () => hostsOf(state, group), slot);
    return classesOf(state, group, countByHost, ranked ? points : undefined);
  };

  return {
    exclusions: (slot) => {
      const here = social ? topologyOf(state, group, () => hostsOf(state, group), slot) : undefined;
      const owner = group.ownerBySlot?.get(slot.slot);
      return [...hostsOf(state, group)].sort(byId).flatMap((host) => {
        if (owner !== undefined && host !== owner) return [];
        const exclusion = exclusionFor(group, host, rung, here, at);
        return exclusion === undefined ? [] : [{ host, exclusion }];
      });
    },
    lineUp: (slot, max) => {
      // What other pods do changes with every copy given out.
      if (classes === undefined || social) classes = setUp(slot);
      const line: Candidate[] = [];
      const before = incumbents(state, group, slot);
      const owner = group.ownerBySlot?.get(slot.slot);
      const fits = (host: Host): boolean =>
        (owner === undefined || owner === host) &&
        exclusionFor(group, host, rung, topology, at) === undefined;
      for (const host of before.hosts) {
        if (!fits(host)) continue;
        const note = before.ended.has(host) ? "ran it before" : "runs it now";
        line.push({ host, score: score(host), points: points(host), note });
      }
      if (before.hosts.length > 1) line.sort(byPointsAndScore);
      if (owner !== undefined) {
        if (line.length === 0 && fits(owner))
          line.push({ host: owner, score: score(owner), points: points(owner), note: noteOf(0) });
        return line;
      }
      for (const row of walk(classes, score, countByHost, social ? undefined : fits)) {
        if (line.length >= max) break;
        if (before.hosts.includes(row.host) || (social && !fits(row.host))) continue;
        const note = noteOf(row.copies);
        line.push({ host: row.host, score: row.score, points: points(row.host), note });
      }
      return line;
    },
    given: (host) => {
      if (social || classes === undefined) return;
      for (const { sites } of classes) {
        const at = sites.findIndex(({ name }) => group.site !== undefined || name === host.node.site);
        const site = sites[at];
        const row = site?.rows?.findIndex((candidate) => candidate.host === host) ?? -1;
        if (site === undefined) continue;
        site.copies++;
        settle(sites, at, bySite);
        const moved = site.rows?.[row];
        if (site.rows === undefined || moved === undefined) continue;
        moved.copies++;
        settle(site.rows, row, byCopies);
      }
    },
  };
}

/** The first thing that keeps a new copy off the host. */
export function exclusionFor(
  { wanted }: Group,
  host: Host,
  { variant, keepFree }: Rung,
  topology: Topology | undefined,
  at: Moment,
): Exclusion | undefined {
  const { node, used } = host;
  const fixed = unavailable(node) ?? mismatchOf(node, wanted.workload, wanted.ladder, at.wall);
  if (fixed !== undefined) return fixed;
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

/** Feasible rows in order. Those that do not fit leave the field, unless `fits` is not given. */
function* walk(
  classes: readonly Class[],
  score: (host: Host) => number,
  countByHost: ReadonlyMap<Host, number>,
  fits: ((host: Host) => boolean) | undefined,
): Iterable<Row> {
  for (const { sites } of classes) {
    for (let at = 0; at < sites.length; at++) {
      const site = sites[at];
      if (site === undefined) continue;
      site.rows ??= site.hosts
        .map((host) => ({ host, score: score(host), copies: countByHost.get(host) ?? 0 }))
        .sort(byCopies);
      const { rows } = site;
      for (let of = 0; of < rows.length; of++) {
        const row = rows[of];
        if (row === undefined) continue;
        if (fits === undefined || fits(row.host)) yield row;
        else rows.splice(of--, 1);
      }
      if (rows.length === 0) sites.splice(at--, 1);
    }
  }
}

function classesOf(
  state: PlannerState,
  group: Group,
  countByHost: ReadonlyMap<Host, number>,
  points: ((host: Host) => number) | undefined,
): Class[] {
  const copiesBySite = new Map<string, number>();
  if (group.site === undefined) {
    for (const [{ node }, copies] of countByHost)
      copiesBySite.set(node.site, (copiesBySite.get(node.site) ?? 0) + copies);
  }
  const sites = group.site === undefined ? [...state.siteByName.values()] : [group.site];
  const rowOf = (site: Site, hosts: readonly Host[]): SiteRow => ({
    name: site.name,
    order: group.site === undefined ? rendezvousScore(group.wanted.hash, site.key, 1) : 0,
    copies: copiesBySite.get(site.name) ?? 0,
    hosts,
    rows: undefined,
  });
  if (points === undefined)
    return [{ points: 0, sites: sites.map((site) => rowOf(site, site.hosts)).sort(bySite) }];
  const byPoints = new Map<number, Map<Site, Host[]>>();
  for (const site of sites) {
    for (const host of site.hosts) {
      const of = points(host);
      const inClass = byPoints.get(of) ?? new Map<Site, Host[]>();
      byPoints.set(of, inClass);
      inClass.set(site, [...(inClass.get(site) ?? []), host]);
    }
  }
  return [...byPoints]
    .sort(([left], [right]) => right - left)
    .map(([points, inClass]) => ({
      points,
      sites: [...inClass].map(([site, hosts]) => rowOf(site, hosts)).sort(bySite),
    }));
}

/** An untolerated soft taint outweighs any sum of preferences: their weights are at most 100 each. */
const avoidedPoints = -1_000_000;

function hasPreferences(state: PlannerState, { wanted }: Group): boolean {
  const { nodePreferred, podPreferred, podAvoided, spreads } = wanted.workload.constraints;
  return (
    state.softTainted > 0 ||
    nodePreferred.length + podPreferred.length + podAvoided.length + spreads.length > 0
  );
}

function pointsOf({ wanted }: Group, host: Host, topology: Topology | undefined): number {
  const { workload } = wanted;
  let points = isAvoided(host.node, workload) ? avoidedPoints : 0;
  for (const { rules, weight } of workload.constraints.nodePreferred)
    if (rulesHold(rules, host.node.labels)) points += weight;
  return points + (topology?.pointsOf(host) ?? 0);
}

/** Who ran the slot before, and whose copy ended. */
function incumbents(
  state: PlannerState,
  group: Group,
  { pods }: SlotState,
): { readonly hosts: readonly Host[]; readonly ended: ReadonlySet<Host> } {
  const hosts: Host[] = [];
  const ended = new Set<Host>();
  for (const pod of pods) {
    const host = state.hostById.get(pod.node);
    if (host === undefined || !(pod.ended || pod.ready)) continue;
    if (group.site !== undefined && host.node.site !== group.site.name) continue;
    if (pod.ended) ended.add(host);
    if (!hosts.includes(host)) hosts.push(host);
  }
  return { hosts, ended };
}

/** Whole cores, 1 to 64: it changes only when the machine does. */
const weightOf = (cpuMilli: number): number => Math.min(64, Math.max(1, Math.floor(cpuMilli / 1000)));

const noteOf = (copies: number): string =>
  copies === 0 ? "runs no other copy" : `runs ${copies} other copies`;

const byCopies = (left: Row, right: Row): number =>
  left.copies - right.copies || right.score - left.score || byId(left.host, right.host);
const bySite = (left: SiteRow, right: SiteRow): number =>
  left.copies - right.copies || right.order - left.order || (left.name < right.name ? -1 : 1);
const byPointsAndScore = (left: Candidate, right: Candidate): number =>
  right.points - left.points || right.score - left.score || byId(left.host, right.host);
const byId = (left: Host, right: Host): number => (left.node.id < right.node.id ? -1 : 1);

/** Moves the item at `from` back to where it belongs, its key having grown. */
function settle<T>(items: T[], from: number, compare: (left: T, right: T) => number): void {
  const item = items[from];
  if (item === undefined) return;
  let to = from;
  for (; to + 1 < items.length; to++) {
    const next = items[to + 1];
    if (next === undefined || compare(next, item) > 0) break;
    items[to] = next;
  }
  items[to] = item;
}
