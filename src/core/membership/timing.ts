import { between, type Random } from "../kernel/random.ts";
import type { Duration, Instant } from "../kernel/time.ts";
import { ownDelay, patience } from "./health.ts";
import type { Link, PeerState } from "./peer-state.ts";
import type { State } from "./state.ts";

/** How long everything takes. All of it follows from `pingEvery`, `silentAfter`, `redialMax`. */

export const retryFirst: Duration = 150;
/** A host that refuses has no agent yet, and the agent that starts dials itself. */
export const retryRefused: Duration = 250;
/** A spare link comes within so long, and is tried again no sooner: all nodes of a large site want one with the same peer. */
export const spareWithin: Duration = 3_000;
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

/**
 * Until our next sign of life on a link. Links take turns in the order of their peers, at equal distances: so
 * whenever we fall silent, one of our observers is due within `pingEvery / linksAtFullPace`, and it asks the
 * others. A sign of life out of turn puts the next one off to its link's turn, a fifth of a round away at least.
 */
export function beatAfter(
  { config, phase: first, peerByLink }: State,
  peer: PeerState,
  now: Instant,
  random: Random,
): Duration {
  const links = peerByLink.size;
  const round = config.pingEvery * peer.peer.pace * Math.max(1, links / linksAtFullPace);
  const phase = first + peer.linksBefore / Math.max(1, links);
  const least = now / round + 0.2 - phase;
  const jitter = between(random, -jitterShare, jitterShare) / Math.max(1, links);
  return Math.ceil((Math.ceil(least) + phase + jitter) * round - now);
}
/** Of the distance between two turns. */
const jitterShare = 0.1;

/** What a peer that promises nothing is expected to keep. */
export function usualBeat({ config }: State, { peer }: PeerState): Duration {
  return 1.2 * config.pingEvery * peer.pace;
}

/** When the peer is late. To ask it costs little, so nobody doubts himself first. */
export function dueAfter({ config }: State, { peer }: PeerState, promised: Duration): Duration {
  return promised + slackShare * config.silentAfter * peer.pace;
}

/** What so many others saw needs no doubt of ourselves. */
export const witnessesMax = 3;

export function answerWithin(
  state: State,
  { peer }: PeerState,
  { wayTrip, witnesses }: Pick<Link, "wayTrip" | "witnesses">,
): Duration {
  const usual = answerShare * state.config.silentAfter * peer.pace + wayTrip;
  return witnesses >= witnessesMax ? usual : usual * patience(state) + ownDelay(state);
}

/**
 * A round trip was measured. A long one may be that of a busy moment, and the next is measured ten signs of life
 * later: it counts for no more than twice the last and a little, a shorter one at once.
 */
export function noteRoundTrip(link: Link, sentAt: Instant, now: Instant): void {
  const roundTrip = now - sentAt;
  const known = link.roundTrip === undefined ? Number.POSITIVE_INFINITY : link.wayTrip;
  link.roundTrip = roundTrip;
  link.answeredFrom = sentAt;
  link.wayTrip = Math.min(roundTrip, 2 * known + wayRise);
}
const wayRise: Duration = 50;

/** When a link is given up without anybody's help. */
export function givenUpAt(state: State, { peer }: PeerState, link: Link): Instant {
  const silent = state.config.silentAfter * peer.pace;
  const quiet = Math.max(silent, link.promised + beyondShare * silent);
  return link.heardAt + quiet * (1 + state.health.score / 4) + ownDelay(state);
}

/**
 * The wait before the next dial of a peer that was lost at `lostAt`: short after a moment, `redialMax` in
 * the long run, never in step with others.
 */
export function redialAfter(
  config: State["config"],
  away: Duration,
  random: Random,
  least: Duration = retryFirst,
): Duration {
  const wait = Math.min(config.redialMax, Math.max(least, redialShare * away));
  return between(random, 0.5, 1) * wait;
}

/** A link that ends sooner than this counts as brief. */
export const briefMax: Duration = 500;

/**
 * The wait before the next dial of a peer whose last links were all brief: who ends what it accepts, for
 * whatever cause, is dialled half as often each time, down to once in `redialMax`. A first one may be chance.
 */
export function pauseAfter({ redialMax }: State["config"], briefLinks: number, random: Random): Duration {
  if (briefLinks < 2) return 0;
  return between(random, 0.5, 1) * Math.min(redialMax, retryFirst * 2 ** Math.min(briefLinks, 30));
}
