import type { Duration, Instant } from "../kernel/time.ts";
import type { Observation } from "./contract.ts";
import type { State } from "./state.ts";

/**
 * Doubt of ourselves. Whose own questions nobody answers is the worse witness: it waits longer before it blames
 * another. Lifeguard (Dadgar, Phillips, Currey 2017, arXiv:1707.00788), section IV.A: a score that saturates,
 * and timeouts that are multiplied by `score + 1`. Of our own lag we know more: how long it was. What others
 * said meanwhile is late by as much, so it is added and multiplies nothing.
 */

const scoreMax = 7;
/** Less of a timer's delay is of no account. */
const lagMin: Duration = 50;
/** More of it is a standstill, which comes once. */
const lagMax: Duration = 600;
/** Lag that was not seen again for so long is over. */
const lagOver: Duration = 2_000;
/** Every so long without a new doubt, the score falls by one. */
const trustEvery: Duration = 1_000;
/** Peers that all are lost within this time of each other were not lost by their own fault. */
export const lostTogether: Duration = 5_000;

/** Others did not answer, or our own network failed. */
export function doubt({ health }: State, now: Instant): void {
  health.score = Math.min(scoreMax, health.score + 1);
  health.doubtedAt = now;
}

/** This process stood still. */
export function noticeStall(state: State, by: Duration, now: Instant): void {
  state.health.stalled = { at: now, by };
  noticeLag(state, by, now);
}

/** Time alone brings trust back. */
export function recover(state: State, now: Instant): void {
  const { health } = state;
  if (health.lag > 0 && now >= health.laggedAt + lagOver) health.lag = 0;
  while (health.score > 0 && now >= health.doubtedAt + trustEvery) {
    health.score--;
    health.doubtedAt += trustEvery;
  }
}

/** When `recover` has something to do. */
export function recoversAt({ health }: State): Instant {
  const trusted = health.score === 0 ? Number.POSITIVE_INFINITY : health.doubtedAt + trustEvery;
  return health.lag === 0 ? trusted : Math.min(trusted, health.laggedAt + lagOver);
}

/** Somebody answered in time. */
export function trust({ health }: State): void {
  health.score = Math.max(0, health.score - 1);
}

/** How late the turn is that was due before: the lag of our own event loop. */
export function noticeLag({ health }: State, lag: Duration, now: Instant): void {
  if (lag < lagMin || lag < health.lag / 2) return;
  health.lag = Math.min(lagMax, Math.max(health.lag, lag));
  health.laggedAt = now;
}

/** By how much every patience with others grows; 1 to 8. */
export function patience({ health }: State): number {
  return health.score + 1;
}

/** What our own lag adds to every patience with others. */
export function ownDelay({ health }: State): Duration {
  return health.lag;
}

/** Another one: what was due when is to be found anew. */
export function doubtLevel({ health }: State): number {
  return health.score * 2 * lagMax + health.lag;
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
