import { allPairsMax } from "../membership/wanted-peers.ts";
import type { NodeId } from "../records/record.ts";
import { detailOf } from "./levels.ts";
import { labelsOf } from "./nodes.ts";
import { membersOf, type Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * Who votes on exclusive slots, by the signed roster and the witness labels. Up to 32 members all of them do: they
 * all have links with each other. Of more the first nine do, and keep links with all that they vote for.
 */

export const witnessLabel = "starlight.dev/witness-for";
export const votersOfMany = 9;
/** In a larger mesh its voters would have more links than all else needs: what is exclusive there is so in sites. */
export const meshMax = 100;

export type ElectorateOf = {
  /** `site/oslo` or `mesh`. */
  readonly name: string;
  /** The site's members and its witnesses, sorted. */
  readonly members: readonly NodeId[];
  readonly voters: readonly NodeId[];
  /** The first member of the site that did not leave. */
  readonly first: NodeId | undefined;
};

/** What was found last, and of which roster, by its count of changes. */
export type HeldElectorates = { readonly of: number; readonly found: readonly ElectorateOf[] };

/** Its own site's, the mesh's, and those this node is a witness for. */
export function electoratesOf(state: NodeState): readonly ElectorateOf[] {
  const { rosterChanges } = state.index;
  if (state.electorates.of !== rosterChanges)
    state.electorates = { of: rosterChanges, found: findElectorates(state) };
  return state.electorates.found;
}

function findElectorates(state: NodeState): readonly ElectorateOf[] {
  const { index, identity } = state;
  const members = membersOf(index);
  const sitesOf = new Map(members.map((id) => [id, sitesVotedIn(index, id)] as const));
  const sites = [...(sitesOf.get(identity.id) ?? [identity.site])].map((site) => `site/${site}`);
  const names = detailOf(state) === "mesh" ? [...sites, "mesh"] : sites;
  const order = new Map(members.map((id) => [id, index.memberById.get(id)?.version ?? 0] as const));
  const elderFirst = (left: NodeId, right: NodeId): number =>
    (order.get(left) ?? 0) - (order.get(right) ?? 0) || (left < right ? -1 : 1);
  return names.sort().map((name) => {
    const isOf = (id: NodeId): boolean =>
      name === "mesh" || sitesOf.get(id)?.includes(name.slice(5)) === true;
    const isInSite = (id: NodeId): boolean =>
      name === "mesh" || index.memberById.get(id)?.body.site === name.slice(5);
    const all = members.filter(isOf);
    const elders = all.filter(isInSite).sort(elderFirst);
    const voters = all.length <= allPairsMax ? all : elders.slice(0, votersOfMany).sort();
    return { name, members: all, voters, first: elders[0] };
  });
}

/**
 * With whom leases need links beyond those that a large site or mesh has anyway: a voter with all whom it votes
 * for, and everybody with their voters. Both ends of a pair find the same.
 */
export function leaseContacts(state: NodeState): ReadonlySet<NodeId> {
  const contacts = new Set<NodeId>();
  if (state.index.memberById.size <= allPairsMax) return contacts;
  for (const { name, members, voters } of electoratesOf(state)) {
    if (name === "mesh" && members.length > meshMax) continue;
    for (const id of voters.includes(state.identity.id) ? members : voters) contacts.add(id);
  }
  return contacts;
}

/** Whether links of everybody with everybody are too many for our site. */
export function isLargeSite(state: NodeState): boolean {
  const site = `site/${state.identity.site}`;
  const own = electoratesOf(state).find(({ name }) => name === site);
  return (own?.members.length ?? 0) > allPairsMax;
}

/** A member's own site, and the one it is a witness for: by what was written, never by its own facts. */
function sitesVotedIn(index: Index, id: NodeId): readonly string[] {
  const member = index.memberById.get(id)?.body;
  if (member === undefined) return [];
  const witness = labelsOf(index, member, undefined)[witnessLabel];
  return witness === undefined || witness === member.site ? [member.site] : [member.site, witness];
}
