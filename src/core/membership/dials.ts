import { between } from "../kernel/random.ts";
import type { Duration } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { DialFailure } from "./contract.ts";
import { doubt } from "./health.ts";
import { linkRelays } from "./paths.ts";
import { explain, forgetEnd, isProcessGone, type PeerState } from "./peer-state.ts";
import type { Step } from "./state.ts";
import { redialAfter, retryFirst, retryRefused, spareWithin } from "./timing.ts";

/** Dials, and what those that come to nothing tell. */

/** What all saw at once is known of all after so long. */
const newsMax: Duration = 2_000;

export function dial({ state, now, random, out }: Step, peer: PeerState): void {
  const { id, addresses } = peer.peer;
  const relays = peer.links.size === 0 ? linkRelays(state, id) : [];
  if (addresses.length === 0 && relays.length === 0) {
    peer.redialAt = now + between(random, 0.5, 1) * state.config.redialMax;
    return;
  }
  peer.dialingSince = now;
  peer.redialAt = now + between(random, retryFirst, 2 * retryFirst);
  out.push({ type: "dial", peer: id, addresses, relays });
}

export function dialFailed(step: Step, peerId: NodeId, why: DialFailure, detail: string): void {
  const { state, now, random } = step;
  const peer = state.peers.get(peerId);
  if (peer === undefined) return;
  peer.dialingSince = undefined;
  const soonest = why === "refused" ? retryRefused : retryFirst;
  const least = peer.spare ? spareWithin : soonest;
  peer.redialAt = now + redialAfter(state.config, now - peer.tryingSince, random, least);
  if (why === "refused") {
    const wasGone = isProcessGone(peer);
    peer.refused = { first: peer.refused?.first ?? now, last: now };
    if (!wasGone && isProcessGone(peer)) state.observed = true;
    return explain(peer, now, "its host answers that no agent listens");
  }
  // Most dials of somebody who is away say nothing new of it.
  if (why !== "unreachable" || peer.verdict === "alive") state.observed = true;
  if (why === "offline") {
    doubt(state, now);
    peer.ownEndUp = false;
    state.health.offline = { at: now, detail };
    return explain(peer, now, `our own network could not send: ${detail}`);
  }
  // Others are still in contact with it and we have no way to it: what we saw was an earlier process,
  // perhaps. Not at once: those others see the same end, and say so a moment later.
  if (peer.verdict === "alive" && now > peer.endedAt + newsMax) forgetEnd(peer);
  explain(peer, now, why === "unreachable" ? `no way to it: ${detail}` : `not to be trusted: ${detail}`);
}
