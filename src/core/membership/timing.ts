import { between, type Random } from "../kernel/random.ts";
import type { Duration, Instant } from "../kernel/time.ts";
import { patience } from "./health.ts";
import type { Link, PeerState } from "./peer-state.ts";
import type { State } from "./state.ts";

/** How long everything takes. All of it follows from `pingEvery`, `silentAfter`, `redialMax`. */

export const retryFirst: Duration = 150;
/** A dial that nobody answered for so long is over, whatever became of it. */
export const dialMax: Duration = 15_000;
/** So many links beat at full pace; more of them share what these would cost. */
const linksAtFullPace = 4;
/** As shares of `silentAfter`: how late a sign of life may be, and how long an answer may take. */
const slackShare = 0.1;
const answerShare = 0.15;
/** Silence of this share beyond the promised sign of life is the end, whatever was promised. */
const beyondShare = 0.6;
/** After this share of the time since contact was lost, the peer is dialled again. */
const redialShare = 1 / 16;

/** Until our next sign of life on a link, with jitter. */
export function beatAfter({ config, peerByLink }: State, { peer }: PeerState, random: Random): Duration {
  const every = config.pingEvery * peer.pace * Math.max(1, peerByLink.size / linksAtFullPace);
  return Math.ceil(between(random, 0.8, 1.2) * every);
}

/** What a peer that promises nothing is expected to keep. */
export function usualBeat({ config }: State, { peer }: PeerState): Duration {
  return 1.2 * config.pingEvery * peer.pace;
}

/** When the peer is late. */
export function dueAfter(state: State, { peer }: PeerState, promised: Duration): Duration {
  return promised + slackShare * state.config.silentAfter * peer.pace * patience(state);
}

export function answerWithin(state: State, { peer }: PeerState, { roundTrip }: Link): Duration {
  const usual = answerShare * state.config.silentAfter * peer.pace;
  return Math.max(usual, 3 * (roundTrip ?? 0)) * patience(state);
}

/** When a link is given up without anybody's help. */
export function givenUpAt({ config, health }: State, { peer }: PeerState, link: Link): Instant {
  const silent = config.silentAfter * peer.pace;
  const quiet = Math.max(silent, link.promised + beyondShare * silent);
  return link.heardAt + quiet * (1 + health.score / 4);
}

/**
 * The wait before the next dial of a peer that was lost at `lostAt`: short after a moment, `redialMax` in
 * the long run, never in step with others.
 */
export function redialAfter(config: State["config"], away: Duration, random: Random): Duration {
  const wait = Math.min(config.redialMax, Math.max(retryFirst, redialShare * away));
  return between(random, 0.5, 1) * wait;
}
