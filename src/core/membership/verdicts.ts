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
const witnessesMin = 2;

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
  const bySite = new Map<string, NodeId[]>();
  for (const id of alive) {
    const site = firstHand.get(id)?.site ?? "";
    bySite.set(site, [...(bySite.get(site) ?? []), id]);
  }
  const verdicts = new Map<NodeId, Verdict>();
  for (const [id, { processGone, site }] of firstHand) {
    if (alive.has(id)) {
      verdicts.set(id, "alive");
      continue;
    }
    const mates = bySite.get(site) ?? [];
    const witnesses = mates.filter((mate) => told.get(mate)?.gone.has(id) === true).length;
    const dead = processGone || (witnesses > 0 && witnesses >= Math.min(witnessesMin, mates.length));
    verdicts.set(id, dead ? "dead" : "unreachable");
  }
  return verdicts;
}

function reachable(
  firstHand: ReadonlyMap<NodeId, FirstHand>,
  told: ReadonlyMap<NodeId, Told>,
): ReadonlySet<NodeId> {
  const alive = new Set<NodeId>();
  const frontier: NodeId[] = [];
  const reach = (id: NodeId): void => {
    if (alive.has(id) || !firstHand.has(id)) return;
    alive.add(id);
    frontier.push(id);
  };
  for (const [id, { linked }] of firstHand) if (linked) reach(id);
  for (let observer = frontier.pop(); observer !== undefined; observer = frontier.pop()) {
    for (const id of told.get(observer)?.peers ?? []) reach(id);
  }
  return alive;
}
