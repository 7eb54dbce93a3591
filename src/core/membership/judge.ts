import type { NodeId } from "../records/record.ts";
import { directPeers } from "./paths.ts";
import { forgetEnd } from "./peer-state.ts";
import type { State, Step } from "./state.ts";
import { verdictsOf, type FirstHand } from "./verdicts.ts";

/** From what was seen to what is held of the peers, and to what we publish of our links. */

export function judge(step: Step): void {
  const { state, now } = step;
  const firstHand = new Map<NodeId, FirstHand>();
  for (const [id, peer] of state.peers) {
    const processGone =
      (peer.lastEnd === "closed" && peer.refusedSince) || (peer.verdict === "dead" && peer.links.size === 0);
    firstHand.set(id, { linked: peer.links.size > 0, processGone });
  }
  for (const [id, to] of verdictsOf(firstHand, state.reports)) {
    const peer = state.peers.get(id);
    if (peer === undefined || peer.verdict === to) continue;
    const from = peer.verdict;
    peer.verdict = to;
    // It came back, be it to others: the end that we saw was that of a process before this one.
    if (to === "alive") forgetEnd(peer);
    // What it said of others before is old news when it comes back; it tells anew once we are linked.
    if (to !== "alive") state.reports.delete(id);
    peer.since = now;
    step.out.push({ type: "verdict-changed", peer: id, from, to });
  }
}

export function announce(step: Step): void {
  const peers = directPeers(step.state);
  const text = peers.join();
  if (text === step.state.published) return;
  step.state.published = text;
  step.out.push({ type: "links-changed", peers });
}

export function activePeers(state: State): NodeId[] {
  return [...state.peers]
    .filter(([, peer]) => peer.active !== undefined)
    .map(([id]) => id)
    .sort();
}
