import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Duration, Instant, WallTime } from "../kernel/time.ts";
import type { RegionView, SiteView } from "./contract.ts";
import { detailOf } from "./levels.ts";
import { regionsBeside } from "./parts.ts";
import { isMember, type Fact } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { siteSummaryOf } from "./summary-content.ts";

/** Places as people see them: counted where their detail is kept, else what was last told of them. */

type Given = { readonly now: Instant; readonly wall: WallTime };

export function sitesOf(state: NodeState, given: Given): readonly SiteView[] {
  const { index } = state;
  const sites = new Map<string, SiteView>();
  for (const [name, fact] of index.siteSummaries) {
    const { region } = fact.body;
    sites.set(name, { name, region, summary: fact.body, age: ageOf(fact, given), detailed: false });
  }
  const detailed = new Set(
    [...index.memberById].flatMap(([id, { body }]) => (isMember(index, id) ? [body.site] : [])),
  );
  for (const name of detailed) {
    const summary = siteSummaryOf(state, name, given);
    sites.set(name, { name, region: summary.region, summary, age: 0, detailed: true });
  }
  return [...sites.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

export function regionsOf(state: NodeState, given: Given): readonly RegionView[] {
  if (detailOf(state) === "mesh") return [];
  return regionsBeside(state)
    .map(([name, fact]) => ({ name, summary: fact.body, age: ageOf(fact, given) }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
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
