import { asleep, never, type Instant, type Wake } from "../kernel/time.ts";
import { doubtLevel, recoversAt } from "./health.ts";
import { dialAt, mayDial, waitsForSilence } from "./paths.ts";
import { decides, standbyPatience } from "./peer-links.ts";
import type { PeerState } from "./peer-state.ts";
import type { State } from "./state.ts";
import { watchAt } from "./suspicion.ts";
import { dialMax } from "./timing.ts";

/** When the machine wants to be called next: kept for each peer, so that a beat costs what it touches. */

/**
 * The deadlines of all tended peers side by side, so that looking for those that have come touches nothing of the
 * others. Whatever changes who is tended makes them found anew.
 */
export type Deadlines = { readonly peers: PeerState[]; readonly at: Instant[] };

/** @param anew Whether what is due when for any peer may have changed. */
export function nextWake(state: State, anew: boolean): Wake {
  const { peers, at } = state.deadlines;
  if (anew) {
    state.wakeDoubt = doubtLevel(state);
    peers.length = 0;
    at.length = 0;
    for (const peer of state.tended.values()) {
      peer.deadline = peers.length;
      peers.push(peer);
      at.push(0);
      wakeLater(state, peer);
    }
  }
  let first: Wake = { at: recoversAt(state), why: "trust in ourselves" };
  if (state.announceAt < first.at) first = { at: state.announceAt, why: "links that came" };
  let [least, soonest] = [first.at, -1];
  for (let place = 0; place < at.length; place++) {
    const due = at[place] ?? never;
    if (due < least) [least, soonest] = [due, place];
  }
  return peers[soonest]?.wake ?? first;
}

/** The tended peers whose time has come. */
export function* duePeers({ deadlines: { peers, at } }: State, now: Instant): Generator<PeerState> {
  for (let place = 0; place < at.length; place++) {
    const peer = now < (at[place] ?? never) ? undefined : peers[place];
    if (peer === undefined) continue;
    if (peer.wanted || peer.links.size > 0 || peer.awayUntil > Number.NEGATIVE_INFINITY) yield peer;
  }
}

/** Finds anew what time brings next to a peer, or knows it. */
export function wakeLater(state: State, peer: PeerState, wake = wakeFor(state, peer)): void {
  const { peers, at } = state.deadlines;
  peer.wake = wake;
  if (peers[peer.deadline] === peer) at[peer.deadline] = wake.at;
}

/** What time alone brings next to one peer. */
function wakeFor(state: State, peer: PeerState): Wake {
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
  if (peer.awayUntil > Number.NEGATIVE_INFINITY) consider(peer.awayUntil, "the end of an absence");
  if (peer.dialingSince !== undefined) consider(peer.dialingSince + dialMax, "a dial without an answer");
  else if (mayDial(state, peer)) consider(dialAt(peer), "dial");
  return { at, why };
}
