import type { NodeId } from "../records/record.ts";
import type { Verdict } from "./contract.ts";

/** What one node knows first hand about a peer. */
export type FirstHand = {
  readonly linked: boolean;
  /** The last link was closed by the peer's kernel, and a dial since then was refused. */
  readonly processGone: boolean;
};

/**
 * Everything we hold true of everybody, computed afresh from the observations.
 *
 * A peer is alive when we have a link to it, or a node that is alive says it has one. Reports of nodes
 * that are not alive to us are not counted: they may be old.
 */
export function verdictsOf(
  firstHand: ReadonlyMap<NodeId, FirstHand>,
  linksReportedBy: ReadonlyMap<NodeId, readonly NodeId[]>,
): Map<NodeId, Verdict> {
  const alive = new Set<NodeId>();
  const frontier: NodeId[] = [];
  const reach = (id: NodeId): void => {
    if (alive.has(id) || !firstHand.has(id)) return;
    alive.add(id);
    frontier.push(id);
  };
  for (const [id, { linked }] of firstHand) if (linked) reach(id);
  for (let observer = frontier.pop(); observer !== undefined; observer = frontier.pop()) {
    for (const id of linksReportedBy.get(observer) ?? []) reach(id);
  }
  const verdicts = new Map<NodeId, Verdict>();
  for (const [id, { processGone }] of firstHand) {
    verdicts.set(id, alive.has(id) ? "alive" : processGone ? "dead" : "unreachable");
  }
  return verdicts;
}
