import type { Duration, WallTime } from "./time.ts";

/**
 * A version stamp: a hybrid logical clock reading packed into one exact integer.
 *
 * Kulkarni, Demirbas et al., "Logical Physical Clocks" (OPODIS 2014): the stamp follows the wall clock
 * where it can, and a counter where it must, so that a stamp made after seeing another is larger.
 *
 *     version = (wallMs - epochMs) * 4096 + counter
 *
 * The epoch is 2020-01-01, so stamps stay below 2^53 until the year 2089. A counter that overflows
 * carries into the milliseconds, which keeps the order and shows as a clock slightly ahead.
 */
export type Version = number & { readonly unit?: "version" };

export const epochMs: WallTime = 1_577_836_800_000;
const countersPerMs = 4096;
export const versionMax: Version = Number.MAX_SAFE_INTEGER;
export const versionNone: Version = 0;

/** The first stamp of a given wall time. A machine that booted in 1970 gets 0, never a negative stamp. */
export function versionAt(wall: WallTime): Version {
  return Math.max(0, Math.min(versionMax, Math.floor(wall - epochMs) * countersPerMs));
}

/** The wall time a stamp stands for, in milliseconds since the Unix epoch. */
export function wallOf(version: Version): WallTime {
  return Math.floor(version / countersPerMs) + epochMs;
}

/** The clock of one node: the highest stamp it made or saw. */
export type HybridClock = { last: Version };

/**
 * A new stamp, larger than every stamp this clock made or saw.
 *
 * At `versionMax`, in the year 2089, it stands still: beyond 2^53 two stamps could be one number. Nobody can
 * bring that about early, because stamps far ahead of the wall clock are set aside before they are observed.
 */
export function tick(clock: HybridClock, wall: WallTime): Version {
  clock.last = Math.min(versionMax, Math.max(clock.last + 1, versionAt(wall)));
  return clock.last;
}

/** Takes note of a stamp made elsewhere, so that our next one is larger. */
export function observe(clock: HybridClock, version: Version): void {
  if (version > clock.last) clock.last = version;
}

/** How far a stamp lies ahead of our wall clock, in milliseconds; 0 when it is not ahead. */
export function aheadOf(wall: WallTime, version: Version): Duration {
  return Math.max(0, wallOf(version) - wall);
}
