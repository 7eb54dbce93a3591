/** Percentages are told in tens. */
const step = 10;
/** How far beyond its ten a value must be before the ten changes: a value at the edge stays quiet. */
const margin = 2;

/**
 * A percentage rounded down to tens, as it is published: what is told to every node must not change with
 * every minute.
 */
export function steadyPercent(before: number | undefined, now: number | undefined): number | undefined {
  if (now === undefined) return undefined;
  if (before !== undefined && now >= before - margin && now < before + step + margin) return before;
  return Math.floor(now / step) * step;
}
