import type { Duration } from "../kernel/time.ts";
import type { Evidence } from "../membership/contract.ts";
import type { LinkClass } from "../records/link-class.ts";
import type { NodeId } from "../records/record.ts";
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

/** A node outside of our roster that is proven to us, and that we have a link with or dial. */
export type ContactView = {
  readonly id: NodeId;
  readonly name: string;
  readonly site: string;
  readonly region: string;
  /** Of its uplink, as it says itself, or its place says; undefined when neither did. */
  readonly uplink: LinkClass | undefined;
  /** Age of its newest word on itself that we hold; undefined when we hold none. */
  readonly saidAge: Duration | undefined;
  readonly evidence: Evidence;
};
