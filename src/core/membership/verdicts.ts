import type { NodeId } from "../records/record.ts";
import type { Verdict } from "./contract.ts";

/** What one node knows first hand about a peer. */
export type FirstHand = {
  readonly site: string;
  readonly linked: boolean;
  /** Its kernel closed the last link, and its host has refused since then for a while. */
  readonly processGone: boolean;
};

/** What another node says: whom it has links with, and whose process it saw go. */
export type Told = { readonly peers: ReadonlySet<NodeId>; readonly gone: ReadonlySet<NodeId> };

/** So many of its own site must have seen a process go, where there are so many. */
export const witnessesMin = 2;

/**
 * Everything we hold true of everybody, computed afresh from the observations.
 *
 * A peer is alive when we have a link to it, or a node that is alive says it has one. Reports of nodes
 * that are not alive to us are not counted: they may be old. Nobody is dead by silence, however many
 * agree on it; nor by the word of one, unless it is the only other member of that site.
 */
export function verdictsOf(
  firstHand: ReadonlyMap<NodeId, FirstHand>,
  told: ReadonlyMap<NodeId, Told>,
): Map<NodeId, Verdict> {
  const alive = reachable(firstHand, told);
  const verdicts = new Map<NodeId, Verdict>();
  for (const [id, { processGone, site }] of firstHand) {
    if (alive.has(id)) {
      verdicts.set(id, "alive");
      continue;
    }
    let mates = 0;
    let witnesses = 0;
    for (const mate of alive) {
      if (firstHand.get(mate)?.site !== site) continue;
      mates++;
      if (told.get(mate)?.gone.has(id) === true) witnesses++;
    }
    const dead = processGone || (witnesses > 0 && witnesses >= Math.min(witnessesMin, mates));
    verdicts.set(id, dead ? "dead" : "unreachable");
  }
  return verdicts;
}

function reachable(
  firstHand: ReadonlyMap<NodeId, FirstHand>,
  told: ReadonlyMap<NodeId, Told>,
): ReadonlySet<NodeId> {
  const alive = new Set<NodeId>();
  const missing = new Set<NodeId>();
  for (const [id, { linked }] of firstHand) (linked ? alive : missing).add(id);
  // What is added while the set is walked is walked, too; few are missing, so each is looked up.
  for (const observer of alive) {
    const peers = missing.size === 0 ? undefined : told.get(observer)?.peers;
    if (peers === undefined) continue;
    for (const id of missing) {
      if (!peers.has(id)) continue;
      missing.delete(id);
      alive.add(id);
    }
  }
  return alive;
}
