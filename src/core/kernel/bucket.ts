import type { Instant } from "./time.ts";

/**
 * A token bucket: fills by `perSecond` up to `burst`, and may be overdrawn; the debt is paid back first. So
 * over any window of `t` seconds no more than `burst + t * perSecond` is taken, plus what one piece overdraws.
 */
export type Bucket = { level: number; at: Instant };

export type BucketRate = { readonly perSecond: number; readonly burst: number };

export const fullBucket = ({ burst }: BucketRate, at: Instant): Bucket => ({ level: burst, at });

/** What is in it now. */
export function fill(bucket: Bucket, { perSecond, burst }: BucketRate, now: Instant): number {
  bucket.level = Math.min(burst, bucket.level + (Math.max(0, now - bucket.at) / 1_000) * perSecond);
  bucket.at = now;
  return bucket.level;
}

/** When it is going to hold `level`, for a bucket that was filled just now; never above `burst`. */
export function fullAt(bucket: Bucket, { perSecond, burst }: BucketRate, level: number): Instant {
  const missing = Math.min(level, burst) - bucket.level;
  // A millisecond more than needed, so that rounding never leaves the waker a hair short.
  return missing <= 0 ? bucket.at : bucket.at + Math.ceil((missing / perSecond) * 1_000) + 1;
}
