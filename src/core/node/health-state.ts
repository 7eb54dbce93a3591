import type { Duration, Instant, WallTime } from "../kernel/time.ts";

/** What a node remembers of its own health; see health.ts. */
export type Health = {
  lookAt: Instant;
  /** Condition -> since when. */
  readonly since: Map<string, WallTime>;
  /** Of this agent, within the last hour. */
  restarts: readonly WallTime[];
  stalls: { readonly last: Instant; readonly longest: Duration } | undefined;
};

export const newHealth = (): Health => ({
  lookAt: Number.POSITIVE_INFINITY,
  since: new Map(),
  restarts: [],
  stalls: undefined,
});
