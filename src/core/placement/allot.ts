import type { Duration } from "../kernel/time.ts";
import type { Resources } from "../records/bodies.ts";
import type { Requests, Variant } from "./contract.ts";
import { plainScore, rendezvousKey } from "./rendezvous.ts";
import { nothingUsed, shortageOf, take, type Used } from "./resources.ts";

/** What is known of a site from afar: its summary, or the sum of its nodes in view. */
export type SiteOffer = {
  readonly site: string;
  readonly region: string;
  /** Allocatable room of the nodes that are up, by tier (1 to 3), and how many they are. */
  readonly capacityByTier: { readonly [tier: number]: Resources & { readonly nodes: number } };
  /** What runs there already. */
  readonly requestedByTier: { readonly [tier: number]: Omit<Used, "extended"> };
  /** Of the newest of it. */
  readonly age: Duration;
};

export type Allotment = {
  /** How many copies each site is to have, by name; sites without one are left out. */
  readonly copiesBySite: ReadonlyMap<string, number>;
  /** Copies for which no site has room. */
  readonly left: number;
};

/** A summary that is older says nothing about free room. */
export const offerAgeMax: Duration = 600_000;

/**
 * Deals the copies of a mesh-wide workload to sites by the order in which `line-up.ts` does: fewest copies
 * first, equals by rendezvous hashing of workload and site; a site without room passes. Copies that a
 * site has stay with it, also while its summary is old.
 *
 * Room is counted in shares: of a tier whose nodes are the same, so many copies fit as fit on its average
 * node, times the nodes. What does fit is the site's own word, when it places them.
 */
export function allot(
  workload: string,
  ladder: readonly Variant[],
  copies: number,
  heldBySite: ReadonlyMap<string, number>,
  offers: readonly SiteOffer[],
): Allotment {
  const hash = rendezvousKey(workload);
  const sites = offers
    .map((offer) => ({
      name: offer.site,
      order: plainScore(hash, rendezvousKey(`site ${offer.site}`)),
      copies: heldBySite.get(offer.site) ?? 0,
      room: offer.age > offerAgeMax ? 0 : roomIn(offer, ladder),
    }))
    .sort((left, right) => right.order - left.order || (left.name < right.name ? -1 : 1));
  let left = copies - sites.reduce((sum, site) => sum + site.copies, 0);
  for (; left > 0; left--) {
    let next: (typeof sites)[number] | undefined;
    for (const site of sites)
      if (site.room > 0 && (next === undefined || site.copies < next.copies)) next = site;
    if (next === undefined) break;
    next.copies++;
    next.room--;
  }
  const some = sites.filter((site) => site.copies > 0).map((site) => [site.name, site.copies] as const);
  return { copiesBySite: new Map(some), left: Math.max(0, left) };
}

/** How many copies of the smallest variant fit into a site. */
function roomIn({ capacityByTier, requestedByTier }: SiteOffer, ladder: readonly Variant[]): number {
  let room = 0;
  for (const tier of [1, 2, 3]) {
    const capacity = capacityByTier[tier];
    const variant = ladder.findLast(({ minTier }) => tier <= minTier);
    if (capacity === undefined || capacity.nodes === 0 || variant === undefined) continue;
    const used: Used = { ...(requestedByTier[tier] ?? nothingUsed()), extended: new Map() };
    room += capacity.nodes * copiesOn(share(capacity), shareOf(used, capacity.nodes), variant.requests);
  }
  return room;
}

function copiesOn(allocatable: Resources, used: Used, requests: Requests): number {
  let copies = 0;
  for (; copies < allocatable.pods && shortageOf(allocatable, used, requests) === undefined; copies++)
    take(used, requests, 1);
  return copies;
}

function share({ nodes, ...capacity }: Resources & { readonly nodes: number }): Resources {
  const extended = Object.entries(capacity.extended ?? {}).map(([name, units]) => [
    name,
    Math.floor(units / nodes),
  ]);
  return {
    cpuMilli: Math.floor(capacity.cpuMilli / nodes),
    memoryBytes: Math.floor(capacity.memoryBytes / nodes),
    pods: Math.floor(capacity.pods / nodes),
    ...(capacity.storageBytes === undefined
      ? {}
      : { storageBytes: Math.floor(capacity.storageBytes / nodes) }),
    ...(extended.length === 0 ? {} : { extended: Object.fromEntries(extended) as Record<string, number> }),
  };
}

const shareOf = (used: Used, nodes: number): Used => ({
  cpuMilli: Math.ceil(used.cpuMilli / nodes),
  memoryBytes: Math.ceil(used.memoryBytes / nodes),
  ephemeralBytes: Math.ceil(used.ephemeralBytes / nodes),
  pods: Math.ceil(used.pods / nodes),
  extended: new Map(),
});
