import type { Duration } from "../kernel/time.ts";

/** One of our pods is to go: `within` ends it now, with that grace; otherwise when its slot is filled elsewhere. */
export type Eviction = {
  readonly type: "evict";
  readonly uid: string;
  readonly within: Duration | undefined;
  readonly why: string;
};
