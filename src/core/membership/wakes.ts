import { asleep, type Instant, type Wake } from "../kernel/time.ts";
import { doubtLevel, recoversAt } from "./health.ts";
import { dialAt, mayDial, waitsForSilence } from "./paths.ts";
import { decides, standbyPatience } from "./peer-links.ts";
import type { PeerState } from "./peer-state.ts";
import type { State } from "./state.ts";
import { watchAt } from "./suspicion.ts";
import { dialMax } from "./timing.ts";

/** When the machine wants to be called next: kept for each peer, so that a beat costs what it touches. */

/** @param anew Whether what is due when for any peer may have changed. */
export function nextWake(state: State, anew: boolean): Wake {
  let first: Wake = { at: recoversAt(state), why: "trust in ourselves" };
  if (state.announceAt < first.at) first = { at: state.announceAt, why: "links that came" };
  if (anew) state.wakeDoubt = doubtLevel(state);
  for (const peer of state.tended.values()) {
    if (anew) peer.wake = wakeFor(state, peer);
    if (peer.wake.at < first.at) first = peer.wake;
  }
  return first;
}

/** What time alone brings next to one peer. */
export function wakeFor(state: State, peer: PeerState): Wake {
  let at = Number.POSITIVE_INFINITY;
  let why = asleep.why;
  const consider = (when: Instant, what: string): void => {
    if (when < at) {
      at = when;
      why = what;
    }
  };
  for (const link of peer.links.values()) {
    consider(link.nextPingAt, "ping");
    consider(watchAt(state, peer, link), "silence on a link");
    if (decides(state, peer.peer.id) && waitsForSilence(state, peer, link)) {
      consider(link.openedAt + standbyPatience, "a newer link");
    }
  }
  if (peer.awayUntil > Number.NEGATIVE_INFINITY) consider(peer.awayUntil, "the end of a restart");
  if (peer.dialingSince !== undefined) consider(peer.dialingSince + dialMax, "a dial without an answer");
  else if (mayDial(state, peer)) consider(dialAt(peer), "dial");
  return { at, why };
}
