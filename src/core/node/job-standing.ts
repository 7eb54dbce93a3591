import type { Duration, WallTime } from "../kernel/time.ts";
import type { Until } from "../placement/contract.ts";

/** How a job stands: a pure function of the job, the facts about its pods, the sites in view and the time. */
export type JobStanding = {
  readonly bases: readonly JobBase[];
  readonly suspended: boolean;
  readonly ended:
    | { readonly as: "Complete" | "Failed"; readonly why: string; readonly at: WallTime }
    | undefined;
  /** It goes by itself: when, and whether that time has come. */
  readonly expired: boolean;
  /** When time alone changes any of this; Infinity when it does not. */
  readonly changesAt: WallTime;
  readonly until: Until;
};

export type JobBase = {
  readonly base: string;
  readonly done: readonly number[];
  readonly failures: number;
  readonly outcome: "done" | "failed" | undefined;
  /** After a failure nothing starts before this moment; how long that is from the failure. */
  readonly notBefore: WallTime;
  readonly retryAfter: Duration;
};

export const isJob = ({ group, kind }: { readonly group: string; readonly kind: string }): boolean =>
  group === "batch" && kind === "Job";

/** What the facts of all nodes, also of those that have left, say together of one job. */
export type JobProgress = {
  /** By base (`mesh`, `site/NAME`): indexes that are done, failures counted over all nodes. */
  readonly bases: ReadonlyMap<string, BaseProgress>;
};

export type BaseProgress = {
  readonly done: ReadonlySet<number>;
  readonly failures: number;
  /** When a pod succeeded or failed last. */
  readonly at: WallTime;
  readonly failedAt: WallTime;
};
