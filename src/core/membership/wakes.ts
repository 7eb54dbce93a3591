import { asleep, never, type Instant } from "../kernel/time.ts";
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
 * others, and setting one makes no object. Whatever changes who is tended makes them found anew.
 */
export type Deadlines = { readonly peers: PeerState[]; readonly at: Instant[]; readonly why: string[] };

/** @param anew Whether what is due when for any peer may have changed. */
export function nextWake(state: State, anew: boolean): void {
  const { peers, at, why } = state.deadlines;
  if (anew) {
    state.wakeDoubt = doubtLevel(state);
    peers.length = 0;
    at.length = 0;
    why.length = 0;
    for (const peer of state.tended.values()) {
      peer.deadline = peers.length;
      peers.push(peer);
      at.push(never);
      why.push(asleep.why);
      wakeLater(state, peer);
    }
  }
  state.wakeAt = recoversAt(state);
  state.wakeWhy = "trust in ourselves";
  const words = Math.min(state.announceAt, state.goneAt);
  if (words < state.wakeAt) {
    state.wakeAt = words;
    state.wakeWhy = "a word on our links";
  }
  for (let place = 0; place < at.length; place++) wakeBy(state, place);
}

/** The machine is called at this deadline, if at none before. */
export function wakeBy(state: State, place: number): void {
  const { at, why } = state.deadlines;
  const due = at[place] ?? never;
  if (due >= state.wakeAt) return;
  state.wakeAt = due;
  state.wakeWhy = why[place] ?? asleep.why;
}

/** This peer's is found anew as soon as peers are tended. */
export function wakeNow({ deadlines }: State, peer: PeerState, now: Instant, why: string): void {
  if (deadlines.peers[peer.deadline] !== peer) return;
  deadlines.at[peer.deadline] = now;
  deadlines.why[peer.deadline] = why;
}

/** Finds anew what time alone brings next to a peer. */
export function wakeLater(state: State, peer: PeerState): void {
  const { deadlines } = state;
  if (deadlines.peers[peer.deadline] !== peer) return;
  let at = never;
  let { why } = asleep;
  for (const link of peer.links.values()) {
    if (link.nextPingAt < at) {
      at = link.nextPingAt;
      why = "ping";
    }
    const silentAt = watchAt(state, peer, link);
    if (silentAt < at) {
      at = silentAt;
      why = "silence on a link";
    }
    const newerAt = link.openedAt + standbyPatience;
    if (newerAt < at && waitsForSilence(peer, link) && decides(state, peer.peer.id)) {
      at = newerAt;
      why = "a newer link";
    }
  }
  if (peer.awayUntil > Number.NEGATIVE_INFINITY && peer.awayUntil < at) {
    at = peer.awayUntil;
    why = "the end of an absence";
  }
  if (peer.dialingSince !== undefined) {
    if (peer.dialingSince + dialMax < at) {
      at = peer.dialingSince + dialMax;
      why = "a dial without an answer";
    }
  } else if (dialAt(peer) < at && mayDial(peer)) {
    at = dialAt(peer);
    why = "dial";
  }
  deadlines.at[peer.deadline] = at;
  deadlines.why[peer.deadline] = why;
}
