import type { MergedObject } from "../intents/contract.ts";
import type { Duration, Instant, WallTime } from "../kernel/time.ts";
import type { ObjectRef } from "../records/keys.ts";
import type { JobStanding } from "./job-standing.ts";

/** Jobs as this node last told them to its planner. */
export type Jobs = {
  /** By object key: those written and those that CronJobs make, none that has gone by itself. */
  readonly byKey: Map<string, { readonly object: MergedObject; standing: JobStanding; told: string }>;
  /** Runs of CronJobs that began, by uid: what this node says of them is kept for clocks that are behind. */
  remembered: ReadonlySet<string>;
  /** When time alone changes a job or makes one. */
  changesAt: WallTime;
  /** Slots that are to be filled. */
  readonly open: Map<string, OpenSlot>;
  /** Came, went or changed since the API was told. */
  readonly touched: Map<string, ObjectRef>;
};

/** Since when it is known to be open, how long this node waits for others and since when no longer, and for failures. */
type OpenSlot = {
  readonly since: Instant;
  readonly after: Duration;
  readonly rankedSince: Instant;
  readonly retryAt: Instant;
};

export const noJobs = (): Jobs => ({
  byKey: new Map(),
  remembered: new Set(),
  changesAt: Number.POSITIVE_INFINITY,
  open: new Map(),
  touched: new Map(),
});
