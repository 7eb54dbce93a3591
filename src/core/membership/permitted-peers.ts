import { hash53 } from "../kernel/hash.ts";
import type { NodeId } from "../records/record.ts";
import type { Place } from "../records/scope.ts";
import type { Peer, Permits } from "./contract.ts";
import { allPairsMax } from "./wanted-peers.ts";

/** Permitted links that join any two sites. */
const linksPerSitePair = 2;

type Member = Place & { readonly id: NodeId };

/**
 * Whom a node keeps links with under a link policy: everybody permitted in its own site, and in a small
 * mesh; else, for each other site, those permitted pairs that both sides rank first. Pure and symmetric.
 * Contacts outside of the roster were chosen before; those permitted stay.
 */
export function permittedPeers(
  self: NodeId,
  place: Place,
  peers: readonly Peer[],
  permits: Permits,
): ReadonlySet<NodeId> {
  const wanted = new Set<NodeId>();
  for (const { id, contact } of peers) if (contact === "wanted" && permits(self, id)) wanted.add(id);
  const roster = peers.filter(({ contact }) => contact === undefined);
  const everybody = roster.length + 1 <= allPairsMax;
  const ours: Member[] = [{ id: self, ...place }];
  const bySite = new Map<string, Member[]>();
  for (const peer of roster) {
    const near = peer.site === place.site;
    if ((everybody || near) && permits(self, peer.id)) wanted.add(peer.id);
    if (near) ours.push(peer);
    else bySite.set(peer.site, [...(bySite.get(peer.site) ?? []), peer]);
  }
  if (everybody) return wanted;
  for (const theirs of bySite.values())
    for (const [near, far] of permittedPairs(ours, theirs, permits)) if (near === self) wanted.add(far);
  return wanted;
}

function permittedPairs(
  ours: readonly Member[],
  theirs: readonly Member[],
  permits: Permits,
): readonly (readonly [NodeId, NodeId])[] {
  const pairs: { readonly pair: readonly [NodeId, NodeId]; readonly name: string }[] = [];
  for (const near of ours)
    for (const far of theirs)
      if (permits(near.id, far.id))
        pairs.push({ pair: [near.id, far.id], name: [near.id, far.id].sort().join(" ") });
  const score = new Map(pairs.map(({ name }) => [name, hash53(name)]));
  pairs.sort(
    (left, right) =>
      (score.get(right.name) ?? 0) - (score.get(left.name) ?? 0) || (left.name < right.name ? -1 : 1),
  );
  // The second pair shares no node with the first where that can be had: one lost machine parts nothing.
  const [first] = pairs;
  if (first === undefined) return [];
  const apart = pairs.slice(1).find(({ pair }) => pair[0] !== first.pair[0] && pair[1] !== first.pair[1]);
  const chosen = [first, apart ?? pairs[1]].slice(0, linksPerSitePair);
  return chosen.flatMap((entry) => (entry === undefined ? [] : [entry.pair]));
}
