import type { Duration } from "../kernel/time.ts";
import type { RegionSummary, SiteSummary } from "../records/summaries.ts";

/** What is told of another place, or counted in the own one. */
export type SiteView = {
  readonly name: string;
  readonly region: string;
  readonly summary: SiteSummary;
  /** Age of what is told, by its own stamp and our clock; 0 for what is seen at first hand. */
  readonly age: Duration;
  /** Its detail is kept here. */
  readonly detailed: boolean;
  /** For how long nobody of it has answered us; undefined while somebody does, and where we know of nobody. */
  readonly unreachableFor: Duration | undefined;
};

export type RegionView = {
  readonly name: string;
  readonly summary: RegionSummary;
  readonly age: Duration;
  readonly unreachableFor: Duration | undefined;
};
