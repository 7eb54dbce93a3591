import type { Duration, Instant } from "../kernel/time.ts";
import type { Observation } from "./contract.ts";
import type { State } from "./state.ts";

/**
 * Doubt of ourselves. A process that is late, or whose own questions nobody answers, is the worse witness:
 * it waits longer before it blames another. Lifeguard (Dadgar, Phillips, Currey 2017, arXiv:1707.00788),
 * section IV.A: a score that saturates, and timeouts that are multiplied by `score + 1`.
 */

const scoreMax = 7;
/** A timer that fires so late, though we did not stand still, counts against us. */
const lagMin: Duration = 100;
/** Lag and standstills are over when they are over: they raise the score so far and never add up. */
const lagScore = 1;
const stallScore = 2;
/** Every so long without a new doubt, the score falls by one. */
const trustEvery: Duration = 1_000;
/** Peers that all are lost within this time of each other were not lost by their own fault. */
export const lostTogether: Duration = 5_000;

/** Others did not answer, or our own network failed. */
export function doubt({ health }: State, now: Instant): void {
  health.score = Math.min(scoreMax, health.score + 1);
  health.doubtedAt = now;
}

function doubtAtLeast({ health }: State, score: number, now: Instant): void {
  health.score = Math.max(health.score, score);
  health.doubtedAt = now;
}

/** This process stood still. */
export function noticeStall(state: State, by: Duration, now: Instant): void {
  state.health.stalled = { at: now, by };
  doubtAtLeast(state, stallScore, now);
}

/** Time alone brings trust back. */
export function recover({ health }: State, now: Instant): void {
  const steps = Math.floor(Math.max(0, now - health.doubtedAt) / trustEvery);
  if (health.score === 0 || steps === 0) return;
  health.score = Math.max(0, health.score - steps);
  health.doubtedAt += steps * trustEvery;
}

/** When `recover` has something to do. */
export const recoversAt = ({ health }: State): Instant =>
  health.score === 0 ? Number.POSITIVE_INFINITY : health.doubtedAt + trustEvery;

/** Somebody answered in time. */
export function trust({ health }: State): void {
  health.score = Math.max(0, health.score - 1);
}

/** How late the turn is that was due at `dueAt`: the lag of our own event loop. */
export function noticeLag(state: State, lag: Duration, now: Instant): void {
  if (lag >= lagMin) doubtAtLeast(state, lagScore, now);
}

/** By how much every patience with others grows; 1 to 8. */
export function patience({ health }: State): number {
  return health.score + 1;
}

export function doubtsOf({ config, health }: State): Observation[] {
  const by = config.self;
  const doubts: (Observation | undefined)[] = [
    health.stalled && {
      by,
      at: health.stalled.at,
      what: `this process stood still for ${Math.round(health.stalled.by)} ms: it blames nobody for that time`,
    },
    health.offline && {
      by,
      at: health.offline.at,
      what: `our own network could not send: ${health.offline.detail}`,
    },
    health.lostAll && {
      by,
      at: health.lostAll.at,
      what: `all ${health.lostAll.count} peers were lost together: it is rather this node that was cut off`,
    },
  ];
  const told = doubts.flatMap((doubt) => (doubt === undefined ? [] : [doubt]));
  return told.sort((left, right) => right.at - left.at);
}

/** The last of several links was lost: was it they, or we? */
export function noticeLoss({ health, tended }: State, now: Instant): void {
  let together = 0;
  for (const { links, lastEnd, endedAt } of tended.values()) {
    if (links.size > 0) return;
    if (lastEnd !== undefined && lastEnd !== "ours" && endedAt > now - lostTogether) together++;
  }
  if (together > 1) health.lostAll = { at: now, count: together };
}
