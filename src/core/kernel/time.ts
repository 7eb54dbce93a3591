/**
 * A reading of a machine's monotonic clock, in milliseconds since an arbitrary start. It never jumps,
 * it means nothing on another machine or after a reboot, and it is the only clock that deadlines use.
 */
export type Instant = number & { readonly unit?: "instant" };

/** A length of time in milliseconds. */
export type Duration = number & { readonly unit?: "duration" };

/** A reading of a machine's wall clock, in milliseconds since the Unix epoch. It may be wrong by years. */
export type WallTime = number & { readonly unit?: "wall" };

export const never: Instant = Number.POSITIVE_INFINITY;
export const milliseconds = (count: number): Duration => count;
export const seconds = (count: number): Duration => count * 1_000;
export const minutes = (count: number): Duration => count * 60_000;

/** The next moment at which a machine wants to be called, and why (shown in traces and by `why`). */
export type Wake = { readonly at: Instant; readonly why: string };

export const asleep: Wake = { at: never, why: "nothing to wait for" };

/** The earliest of several deadlines; the first given wins a tie, so the answer is deterministic. */
export function earliest(...wakes: readonly Wake[]): Wake {
  let first = asleep;
  for (const wake of wakes) if (wake.at < first.at) first = wake;
  return first;
}
