import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Evidence } from "../membership/contract.ts";
import { seconds, type Duration, type Instant, type WallTime } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import { isWithin, type Place } from "../records/scope.ts";
import type { Gateway } from "../records/summaries.ts";
import type { ContactView, RegionView, SiteView } from "./place-view.ts";
import { gatewaysTold } from "./guests.ts";
import { detailOf } from "./levels.ts";
import { whyForbidden } from "./link-policy.ts";
import { regionsBeside } from "./parts.ts";
import { isMember, type Fact } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { siteSummaryOf } from "./summary-content.ts";
import { memberOf } from "./trust-view.ts";

/** Places as people see them: counted where their detail is kept, else what was last told of them. */

type Given = { readonly now: Instant; readonly wall: WallTime };

export function sitesOf(state: NodeState, given: Given): readonly SiteView[] {
  const detailed = [...detailedSites(state)].map((name): SiteView => {
    const summary = siteSummaryOf(state, name, given);
    const { region } = summary;
    const unreachableFor = outOfViewFor(state, name, given);
    return { name, region, summary, age: 0, detailed: true, unreachableFor };
  });
  return [...sitesTold(state, given), ...detailed].sort(byName);
}

export function sitesTold(state: NodeState, given: Given): readonly SiteView[] {
  const detailed = detailedSites(state);
  return [...state.index.siteSummaries]
    .filter(([name]) => !detailed.has(name))
    .map(([name, fact]): SiteView => {
      const { region, gateways } = fact.body;
      const age = ageOf(fact, given);
      const isInside = ({ site }: Place): boolean => site === name;
      const unreachableFor = notAnsweringFor(state, { gateways, region, isInside }, given);
      return { name, region, summary: fact.body, age, detailed: false, unreachableFor };
    })
    .sort(byName);
}

const detailedSites = ({ index }: NodeState): ReadonlySet<string> =>
  new Set([...index.memberById].flatMap(([id, { body }]) => (isMember(index, id) ? [body.site] : [])));

const byName = (left: { readonly name: string }, right: { readonly name: string }): number =>
  left.name < right.name ? -1 : 1;

export function regionsOf(state: NodeState, given: Given): readonly RegionView[] {
  if (detailOf(state) === "mesh") return [];
  return regionsBeside(state)
    .map(([name, fact]) => {
      const isInside = ({ region }: Place): boolean => isWithin(region, name);
      const told = { gateways: fact.body.gateways, region: name, isInside };
      const unreachableFor = notAnsweringFor(state, told, given);
      return { name, summary: fact.body, age: ageOf(fact, given), unreachableFor };
    })
    .sort(byName);
}

export function contactsSeen(state: NodeState, { wall }: Given): readonly ContactView[] {
  const { index, levels, membership } = state;
  const uplinkTold = new Map([...gatewaysTold(state)].map(({ id, uplink }) => [id, uplink] as const));
  const found = [...levels.guests].flatMap(([id, { member, status }]): readonly ContactView[] => {
    const evidence = membership.evidence(id);
    if (evidence === undefined || isMember(index, id) || index.goneSince.has(id)) return [];
    const { name, site, region } = member;
    const uplink = status?.body.uplink ?? uplinkTold.get(id);
    const saidAge = status === undefined ? undefined : Math.max(0, wall - wallOf(status.record.version));
    return [{ id, name, site, region, uplink, saidAge, evidence }];
  });
  return found.sort(byName);
}

/** Of members outside of our roster those count that are proven to us: whoever speaks for a place, for one. */
export function peopledRegions({ index, levels }: NodeState): readonly string[] {
  const found = new Set<string>();
  for (const [id, { body }] of index.memberById) if (isMember(index, id)) found.add(body.region);
  for (const [id, { member }] of levels.guests) if (!index.goneSince.has(id)) found.add(member.region);
  return [...found].sort();
}

/**
 * Where a site stands, by its members, by those of it that are proven to us, and by whoever speaks for it; sorted.
 * More than one region: two sites were given one name.
 */
export function regionsOfSite({ identity, index, levels }: NodeState, site: string): readonly string[] {
  const found = new Set<string>();
  if (site === identity.site) found.add(identity.region);
  for (const [id, { body }] of index.memberById)
    if (body.site === site && isMember(index, id)) found.add(body.region);
  for (const [id, { member }] of levels.guests)
    if (member.site === site && !index.goneSince.has(id)) found.add(member.region);
  const told = index.siteSummaries.get(site);
  // The last word of a site whose nodes have all gone is never taken back.
  if (told !== undefined && !index.goneSince.has(told.author)) found.add(told.body.region);
  return [...found].sort();
}

const ageOf = ({ version }: Fact<unknown>, { wall }: Given): Duration => Math.max(0, wall - wallOf(version));

/** Whom we know in a place whose detail we do not keep. */
type ToldPlace = {
  readonly gateways: readonly Gateway[];
  readonly region: string;
  readonly isInside: (member: Place) => boolean;
};

/** A gateway that is lost for ten seconds has another one dialled at the next review, up to ten later. */
export const lostAfter: Duration = seconds(20);

/**
 * For how long no gateway of a place has answered, of those that we have a link with or dial: of the others
 * nothing is known from here. What keeps them away may be the way to them, so their word stands meanwhile.
 */
function notAnsweringFor(state: NodeState, place: ToldPlace, { now }: Given): Duration | undefined {
  const { membership, levels } = state;
  const { gateways, region, isInside } = place;
  for (const { peer } of levels.links.values()) {
    const member = memberOf(state, peer);
    if (member !== undefined && isInside(member) && membership.standing(peer)?.verdict === "alive")
      return undefined;
  }
  const judged = gateways.filter(
    (gateway) => whyForbidden(state, gateway.id, { ...gateway, region, pace: 1 }) === undefined,
  );
  const lost = lossesOf(
    state,
    judged.map(({ id }) => id),
  );
  if (lost === undefined || lost.some(({ since }) => now < since + lostAfter)) return undefined;
  // Who was dialled only because the others were lost says nothing of when that was.
  const met = lost.filter(({ heardAt }) => heardAt !== undefined);
  return met.length > 0
    ? Math.min(...met.map(({ since }) => now - since))
    : Math.max(...lost.map(({ since }) => now - since));
}

/** Of a site whose members we judge each, as their verdicts say. */
function outOfViewFor(state: NodeState, site: string, { now }: Given): Duration | undefined {
  const { index, identity } = state;
  if (site === identity.site) return undefined;
  const inside = [...index.memberById].filter(([id, { body }]) => isMember(index, id) && body.site === site);
  const lost = lossesOf(
    state,
    inside.map(([id]) => id),
  );
  return lost === undefined ? undefined : Math.min(...lost.map(({ since }) => now - since));
}

/** What speaks against these nodes, of whom at least one is judged; undefined when one of them is alive. */
function lossesOf({ membership }: NodeState, ids: readonly NodeId[]): readonly Evidence[] | undefined {
  const judged = ids.flatMap((id) => membership.evidence(id) ?? []);
  return judged.length === 0 || judged.some(({ verdict }) => verdict === "alive") ? undefined : judged;
}
