import { hash53 } from "../kernel/hash.ts";
import { seconds, type Duration, type Instant } from "../kernel/time.ts";
import { ringNeighbours } from "../membership/expander.ts";
import type { NodeId } from "../records/record.ts";
import { isWithin, regionsAround } from "../records/scope.ts";
import type { Gateway } from "../records/summaries.ts";
import { gatewaysTold, ownAddresses } from "./guests.ts";
import { detailOf } from "./levels.ts";
import { levelsOf, type Level, type Part } from "./parts.ts";
import { isMember } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { belongs } from "./trust-view.ts";

/**
 * Whom a node keeps links with outside of its roster. Everybody finds the same gateways and the same
 * neighbours from the same summaries, so most links are wanted by both ends; where views differ, the other
 * end takes the link all the same.
 */

/** Gateways of a site that keep links with other sites; a summary names one more. */
const gatewaysPerSite = 2;
const gatewaysPerRegion = 4;
/** Circles of the parts of a region, and of the mesh: six neighbours each. */
const rings = 3;
/** Links that join two neighbouring regions. */
const linksPerRegionPair = 2;
/** After a start the links within the site come first, for so long at most. */
const siteFirst: Duration = seconds(4);
/** A gateway that is out of reach for so long is passed over. */
const patience: Duration = seconds(10);
/** Of the neighbours of a place. Without one of them the others still join all; without more, parts may come apart. */
const lostMin = 2;
/** Who reaches nobody outside tries so many others at a time, and others again after a while. */
const trialsMax = 3;
const trialEvery: Duration = seconds(15);

export type Contact = {
  readonly id: NodeId;
  readonly name: string;
  readonly site: string;
  readonly region: string;
  readonly addresses: readonly string[];
};

/** Members of our place that we can reach, ourselves included, in the order in which they speak for it. */
export function speakersOf(state: NodeState): readonly NodeId[] {
  const { index, identity, membership } = state;
  const here = [...index.memberById]
    .filter(([id, { body }]) => isMember(index, id) && inPlace(state, body))
    .filter(([id]) => id === identity.id || membership.standing(id)?.verdict === "alive")
    .map(([id]) => id);
  return ranked(here, "gateway");
}

/** The nodes that speak with others for our site or region, best first. */
export function gatewaysOf(state: NodeState): readonly NodeId[] {
  return speakersOf(state).slice(0, detailOf(state) === "site" ? gatewaysPerSite : gatewaysPerRegion);
}

/** Who has left is no gateway any more, but its goodbye may have nobody else to be told by. */
export function reachesOut(state: NodeState): boolean {
  const { index, identity } = state;
  return index.goneSince.has(identity.id) || gatewaysOf(state).includes(identity.id);
}

/**
 * Who has just started may take itself for the only one of its place that runs: it has links with the others of
 * its site, or gives them some time, before it looks for links with other places.
 */
export function isSiteFirst(state: NodeState, now: Instant): boolean {
  const { index, identity, membership, settling } = state;
  if (settling) return true;
  if (now >= siteFirstUntil(state)) return false;
  for (const [id, { body }] of index.memberById) {
    if (body.site !== identity.site || id === identity.id || !isMember(index, id)) continue;
    if (membership.standing(id)?.verdict !== "alive") return true;
  }
  return false;
}

export const siteFirstUntil = ({ bootedAt }: NodeState): Instant => bootedAt + siteFirst;

export function contactsOf(state: NodeState, now: Instant): readonly Contact[] {
  const { index, identity } = state;
  const detail = detailOf(state);
  if (detail === "mesh") return [];
  const found = new Map<NodeId, Contact>();
  const want = (gateway: Gateway, region: string): void => {
    const { id, name, site, addresses } = gateway;
    if (id === identity.id || index.memberById.has(id) || index.goneSince.has(id)) return;
    found.set(id, { id, name, site, region, addresses });
  };
  const prefer = (gateways: readonly Gateway[], at: number, region: string): void => {
    const [preferred, ...others] = [...gateways.slice(at % gateways.length), ...gateways];
    if (preferred === undefined) return;
    want(preferred, region);
    if (isLost(preferred)) for (const other of others) want(other, region);
  };
  const isLost = ({ id }: Gateway): boolean => {
    const held = state.membership.standing(id);
    return held !== undefined && held.verdict !== "alive" && now > held.since + patience;
  };
  /** Neighbours in three circles, and who stands behind those that are lost. */
  const neighbours = ({ own, parts: partsTold }: Level): readonly Part[] => {
    const parts = partsTold();
    const near = ringNeighbours(own, parts.keys(), rings);
    const isOut = (id: string): boolean => {
      const tried = (parts.get(id)?.summary.gateways ?? []).filter(
        (gateway) => state.membership.standing(gateway.id) !== undefined,
      );
      return tried.length > 0 && tried.every(isLost);
    };
    const few = [...near].filter(isOut).length < lostMin;
    const found = few ? near : ringNeighbours(own, parts.keys(), rings, isOut);
    return [...found].flatMap((id) => parts.get(id) ?? []);
  };
  // Of our own site, too, there may be members that nobody has told us of yet.
  for (const gateway of index.siteSummaries.get(identity.site)?.body.gateways ?? [])
    want(gateway, identity.region);
  const isOutward = !isSiteFirst(state, now);
  const at = isOutward ? gatewaysOf(state).indexOf(identity.id) : -1;
  const levels = levelsOf(state);
  const [home] = levels;
  if (detail === "site" && at >= 0 && home !== undefined) {
    for (const { summary, region } of neighbours(home)) prefer(summary.gateways, at, region);
    // A site whose summary has not come may not know of the rest of its region either.
    for (const gateway of index.regionSummaries.get(identity.region)?.body.gateways ?? [])
      if (!index.siteSummaries.has(gateway.site)) want(gateway, identity.region);
  }
  for (const level of detail === "site" ? levels.slice(1) : levels) {
    const ours = index.regionSummaries.get(level.ownName)?.body.gateways ?? [];
    const mine = ours.findIndex(({ id }) => id === identity.id);
    if (mine < 0) continue;
    for (const { name, summary, region } of neighbours(level)) {
      const turn = hash53([level.ownName, name].sort().join(" ")) % 1_000;
      for (let link = 0; link < linksPerRegionPair; link++)
        if ((turn + link) % ours.length === mine) prefer(summary.gateways, turn + link, region);
    }
  }
  if (isOutward && reachesOut(state))
    for (const contact of trials(state, now)) found.set(contact.id, contact);
  return [...found.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
}

/**
 * Some of those it ever heard of, others each time: of all, for who has no link to the outside; else of
 * guests from places that nothing is told of. We belong together, and are not joined.
 */
function trials(state: NodeState, now: Instant): readonly Contact[] {
  const { index, identity, levels } = state;
  const known = new Map<NodeId, Contact>();
  const note = (contact: Contact): void => {
    if (contact.id === identity.id || index.memberById.has(contact.id) || index.goneSince.has(contact.id))
      return;
    if (contact.addresses.length > 0) known.set(contact.id, contact);
  };
  const alone = levels.links.size === 0;
  if (alone) {
    for (const { body } of index.siteSummaries.values())
      for (const gateway of body.gateways) note({ ...gateway, region: body.region });
    for (const [region, { body }] of index.regionSummaries)
      for (const gateway of body.gateways) note({ ...gateway, region });
  }
  let toldBy: ReadonlyMap<NodeId, readonly string[]> | undefined;
  for (const [id, { member }] of levels.guests) {
    const { name, site, region } = member;
    const told =
      index.siteSummaries.has(site) ||
      regionsAround(region).some(
        (name) => index.regionSummaries.has(name) && !isWithin(identity.region, name),
      );
    if (!belongs(state, id) || (told && !alone)) continue;
    toldBy ??= addressesTold(state);
    note({ id, name, site, region, addresses: ownAddresses(state, id) ?? toldBy.get(id) ?? [] });
  }
  const epoch = Math.floor(now / trialEvery);
  if (known.size === 0) return [];
  return foremost(known.keys(), `trial ${epoch} ${identity.id}`, trialsMax).flatMap(
    (id) => known.get(id) ?? [],
  );
}

/** Where those who speak for places are reached, as their places say; the first word on each counts. */
function addressesTold(state: NodeState): ReadonlyMap<NodeId, readonly string[]> {
  const told = new Map<NodeId, readonly string[]>();
  for (const { id, addresses } of gatewaysTold(state)) if (!told.has(id)) told.set(id, addresses);
  return told;
}

function inPlace(
  { identity }: NodeState,
  member: { readonly site: string; readonly region: string },
): boolean {
  return identity.mesh.detail === "site" ? member.site === identity.site : member.region === identity.region;
}

/** The first `count` of `ranked`, of names that are all different. */
function foremost(names: Iterable<string>, salt: string, count: number): readonly string[] {
  const best: { readonly name: string; readonly score: number }[] = [];
  for (const name of names) {
    const score = hash53(`${salt} ${name}`);
    const last = best[count - 1];
    if (last !== undefined && (score < last.score || (score === last.score && name > last.name))) continue;
    const at = best.findIndex((each) => score > each.score || (score === each.score && name < each.name));
    best.splice(at < 0 ? best.length : at, 0, { name, score });
    if (best.length > count) best.pop();
  }
  return best.map(({ name }) => name);
}

/** In an order by hash that is the same everywhere. */
export function ranked(names: readonly string[], salt: string): readonly string[] {
  const score = new Map(names.map((name) => [name, hash53(`${salt} ${name}`)]));
  return [...names].sort(
    (left, right) => (score.get(right) ?? 0) - (score.get(left) ?? 0) || (left < right ? -1 : 1),
  );
}

/** The place of a name among others in that order. */
export function rankOf(name: string, others: Iterable<string>, salt: string): number {
  const score = hash53(`${salt} ${name}`);
  let before = 0;
  for (const other of others) {
    const theirs = hash53(`${salt} ${other}`);
    if (theirs > score || (theirs === score && other < name)) before++;
  }
  return before;
}
