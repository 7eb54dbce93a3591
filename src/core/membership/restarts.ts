import type { Duration } from "../kernel/time.ts";
import { send } from "./duties.ts";
import type { LinkId } from "./contract.ts";
import { closeLink } from "./peer-links.ts";
import { explain, type PeerState } from "./peer-state.ts";
import type { Step } from "./state.ts";

/**
 * Links that end on purpose. An agent that is stopped says so, and that it will be back: what its machine runs
 * goes on meanwhile, so for a moment its peers hold it for alive as before. The same holds for both ends of a
 * link that one of them needs no more. Who is not back in time is judged by what was seen of it.
 */

/** A restart takes no longer; who says that it takes longer is not believed. */
const awayFor: Duration = 10_000;
const awayMax: Duration = 15_000;
/** Who needs the link finds out that it is to dial now, and who does not forgets the peer before. */
const hungUpFor: Duration = 5_000;

export function sayAway(step: Step): void {
  for (const link of step.state.peerByLink.keys()) send(step, link, { type: "away", for: awayFor });
}

export function awayHeard({ now }: Step, peer: PeerState, duration: Duration): void {
  peer.awayUntil = now + Math.min(duration, awayMax);
  explain(peer, now, "its agent said that it is being restarted");
}

export function hangUp(step: Step, link: LinkId): void {
  const { state, now } = step;
  const peer = state.peerByLink.get(link);
  if (peer !== undefined) {
    send(step, link, { type: "unneeded" });
    peer.awayUntil = now + hungUpFor;
  }
  closeLink(step, link, "ours");
}

export function unneededHeard({ now }: Step, peer: PeerState): void {
  peer.awayUntil = now + hungUpFor;
  explain(peer, now, "it needs no link with us any more");
}

export function endAway({ state, now }: Step, peer: PeerState): void {
  if (now < peer.awayUntil || peer.awayUntil === Number.NEGATIVE_INFINITY) return;
  peer.awayUntil = Number.NEGATIVE_INFINITY;
  state.observed = true;
}
