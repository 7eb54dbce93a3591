import { fill, fullAt, fullBucket, type Bucket, type BucketRate } from "../kernel/bucket.ts";
import type { Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { Urgency } from "../records/link-class.ts";
import type { Step } from "./state.ts";

/**
 * What one peer may cost: bytes on the link, by the link's budget, and our work, by a budget of our own.
 * Where one of them is used up, its questions wait; nothing that waits is a copy of a record.
 */

/** About a microsecond of a processor each: so much of our time a single peer gets, and at once. */
const workRate: BucketRate = { perSecond: 300_000, burst: 2_000_000 };
/** A peer that costs more than this on top, without need, is no peer of good will. */
const workDebtMax = 1_000_000;

/** A frame is encoded, hashed and compressed: about 15 ms for a megabyte. */
export const bytesPerUnit = 64;

export const freshWork = (now: Instant): Bucket => fullBucket(workRate, now);

export function work(step: Step, bucket: Bucket, units: number): void {
  fill(bucket, workRate, step.env.now);
  bucket.level -= units;
}

export const overworked = (bucket: Bucket): boolean => bucket.level < -workDebtMax;

/** When the peer's next question may be answered. */
export function worksAt(step: Step, bucket: Bucket): Instant {
  return fill(bucket, workRate, step.env.now) > 0 ? step.env.now : fullAt(bucket, workRate, 1);
}

/** Bytes that may go now, after what this step has sent already; 0 while the link waits to open. */
export function roomOf(step: Step, link: LinkId, urgency: Urgency): number {
  const room = step.env.budget.room(link, urgency);
  if (room === Number.POSITIVE_INFINITY) return room;
  if (!opens(step, link, urgency)) return 0;
  return Math.max(0, room - (step.sent.get(link) ?? 0));
}

/** Once a link has run dry, what comes next waits until a piece of some size can go. */
export function opens(step: Step, link: LinkId, urgency: Urgency): boolean {
  return step.env.budget.opensAt(link, urgency) <= step.env.now;
}
