import type { Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { NodeId } from "../records/record.ts";
import type { NodeState } from "./state.ts";
import { note, type Turn } from "./turn.ts";

/**
 * Peers that send what no honest one would: records that nobody ever could have written so, frames that
 * cannot be read, work for nothing. A few a minute are noted, more end the link, and each time the peer is
 * kept out for longer. Members that others admitted, clocks ahead and rosters of another age are no offence.
 */
export type Offender = {
  /** Offences in the minute that began at `since`. */
  count: number;
  since: Instant;
  /** How often it was shut out, and when that ends or ended. */
  strikes: number;
  until: Instant;
};

const minute = 60_000;
const offencesMax = 32;
const keptOutFirst = 5_000;
const keptOutMax = 600_000;
/** After so long without a strike the next one is a first. */
const forgivenAfter = 3_600_000;

/** A note for each of the first, so that a flood does not fill the log; beyond, the link ends. */
export function offend(turn: Turn, link: LinkId, reason: string, what: string): void {
  const { state, env } = turn;
  const peer = state.peerByLink.get(link);
  if (peer === undefined) return;
  const offender = offenderOf(state, peer);
  if (env.now - offender.since >= minute) [offender.count, offender.since] = [0, env.now];
  offender.count++;
  note(turn, "warning", reason, what);
  if (offender.count > offencesMax)
    shutOut(turn, link, `more than ${offencesMax} records or frames in a minute that no honest node sends`);
}

/** Keeps the peer out and has the link ended (links.ts): 5 s the first time, twice as long each time after, 10 minutes at most. */
export function shutOut(turn: Turn, link: LinkId, why: string): void {
  const { state, env } = turn;
  const peer = state.peerByLink.get(link);
  if (peer === undefined || shutOutFor(state, peer, env.now) > 0) return;
  const offender = offenderOf(state, peer);
  if (env.now - offender.until >= forgivenAfter) offender.strikes = 0;
  const length = Math.min(keptOutMax, keptOutFirst * 2 ** offender.strikes);
  offender.strikes++;
  offender.until = env.now + length;
  offender.count = 0;
  const name = state.index.memberById.get(peer)?.body.name ?? peer;
  note(turn, "error", "PeerShutOut", `${name} is kept out for ${length / 1_000} s: ${why}`);
}

/** Whether the peer of this link was shut out on it. */
export function isShutOut({ state, env }: Turn, link: LinkId | undefined): boolean {
  const peer = link === undefined ? undefined : state.peerByLink.get(link);
  return peer !== undefined && shutOutFor(state, peer, env.now) > 0;
}

/** For how long a peer is still kept out; 0 when it is not. */
export function shutOutFor({ offenders }: NodeState, peer: NodeId, now: Instant): number {
  return Math.max(0, (offenders.get(peer)?.until ?? 0) - now);
}

function offenderOf({ offenders }: NodeState, peer: NodeId): Offender {
  const offender = offenders.get(peer) ?? { count: 0, since: 0, strikes: 0, until: Number.NEGATIVE_INFINITY };
  offenders.set(peer, offender);
  return offender;
}
