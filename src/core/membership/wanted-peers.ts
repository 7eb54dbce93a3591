import { hash53 } from "../kernel/hash.ts";
import { ringNeighbours } from "./expander.ts";
import type { NodeId } from "../records/record.ts";
import type { Place } from "../records/scope.ts";
import type { Peer } from "./contract.ts";

/** Up to this many members, everybody links with everybody. */
export const allPairsMax = 32;
/** In a larger site a node has links with twice as many of it. */
const ringsInSite = 6;
/** In a larger mesh, this many links join any two sites. */
const linksPerSitePair = 2;

type Member = Place & { readonly id: NodeId };

/**
 * Whom a node keeps links with: everyone in its site, or its neighbours in the circles of a site of more than
 * 32; everyone at all in a small mesh; else, for each other site of the roster, the pairs that both sides find
 * by the same rendezvous hash. Pure and symmetric: if A wants B then B wants A, and any
 * two sites are joined, so the graph is connected. Contacts outside of the roster were chosen before
 * (core/node/contacts.ts).
 */
export function wantedPeers(self: NodeId, place: Place, peers: readonly Peer[]): ReadonlySet<NodeId> {
  const wanted = new Set<NodeId>();
  for (const { id, contact } of peers) if (contact === "wanted") wanted.add(id);
  const roster = peers.filter(({ contact }) => contact === undefined);
  const everybody = roster.length + 1 <= allPairsMax;
  const bySite = new Map<string, Member[]>();
  for (const peer of roster) {
    if (everybody) wanted.add(peer.id);
    bySite.set(peer.site, [...(bySite.get(peer.site) ?? []), peer]);
  }
  if (everybody) return wanted;
  const ours: Member[] = [{ id: self, ...place }, ...(bySite.get(place.site) ?? [])];
  const ids = ours.map(({ id }) => id);
  const near = ids.length > allPairsMax ? ringNeighbours(self, ids, ringsInSite) : ids;
  for (const id of near) if (id !== self) wanted.add(id);
  for (const [site, theirs] of bySite) {
    if (site === place.site) continue;
    for (const [near, far] of bridges(ours, theirs)) if (near === self) wanted.add(far);
  }
  return wanted;
}

/** The pairs that join two sites: each side's best members for the pair of sites, matched in order. */
function bridges(ours: readonly Member[], theirs: readonly Member[]): (readonly [NodeId, NodeId])[] {
  const sites = [ours[0]?.site ?? "", theirs[0]?.site ?? ""].sort().join(" ");
  const near = ranked(ours, sites);
  const far = ranked(theirs, sites);
  return Array.from({ length: linksPerSitePair }, (_, at) => {
    const pair = [near[at % near.length], far[at % far.length]] as const;
    return [pair[0]?.id ?? "", pair[1]?.id ?? ""] as const;
  });
}

function ranked(members: readonly Member[], sites: string): Member[] {
  const score = new Map(members.map(({ id }) => [id, hash53(`${sites} ${id}`)]));
  return [...members].sort(
    (left, right) => (score.get(right.id) ?? 0) - (score.get(left.id) ?? 0) || (left.id < right.id ? -1 : 1),
  );
}
