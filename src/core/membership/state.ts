import type { Random } from "../kernel/random.ts";
import type { Duration, Instant, WallTime } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { Place } from "../records/scope.ts";
import type { LinkId, MembershipConfig, MembershipEffect } from "./contract.ts";
import type { PeerState } from "./peer-state.ts";
import type { Deadlines } from "./wakes.ts";

/** What the membership machine keeps, and one call of it. */

/** What another member says of its links, and what became of them since it first told us. */
export type Report = {
  readonly peers: ReadonlySet<NodeId>;
  readonly gone: ReadonlySet<NodeId>;
  /** When we learnt that it has a link with them. */
  readonly metAt: ReadonlyMap<NodeId, Instant>;
  /** When we learnt that it no longer has a link which it had. */
  readonly lostAt: ReadonlyMap<NodeId, Instant>;
};

/** Doubts of ourselves. See health.ts. */
export type Health = {
  /** 0: no doubt. */
  score: number;
  /** When it was raised last, or fell by one since. */
  doubtedAt: Instant;
  /** By how much our turns were late of late, and when that was seen last. */
  lag: Duration;
  laggedAt: Instant;
  stalled: { readonly at: Instant; readonly by: Duration } | undefined;
  offline: { readonly at: Instant; readonly detail: string } | undefined;
  lostAll: { readonly at: Instant; readonly count: number } | undefined;
};

/** What we told last of our links, and when. */
export type Published = {
  readonly peers: ReadonlySet<NodeId>;
  readonly gone: ReadonlySet<NodeId>;
  /** Those of them that were nodes of other places. */
  readonly contacts: readonly NodeId[];
  readonly at: Instant;
};

export type State = {
  readonly config: MembershipConfig;
  /** Where in a round our signs of life begin, as a share of it: others begin elsewhere. */
  readonly phase: number;
  place: Place;
  readonly peers: Map<NodeId, PeerState>;
  /** Those that we keep links with, or have one with: all that time alone can change something about. */
  readonly tended: Map<NodeId, PeerState>;
  readonly peerByLink: Map<LinkId, PeerState>;
  readonly reports: Map<NodeId, Report>;
  /** What those said last whom we lost since, and when we did: it may be old news. */
  readonly oldReports: Map<NodeId, { readonly report: Report; readonly since: Instant }>;
  readonly health: Health;
  /** Numbers the questions that we ask others. */
  probes: number;
  published: Published | undefined;
  /** When what came since is told. */
  announceAt: Instant;
  /** When it is our turn to say that somebody's process went. */
  goneAt: Instant;
  /** Something that verdicts or our links depend on was seen since the last judgement. */
  observed: boolean;
  /** When the machine wants to be called next, and why. */
  wakeAt: Instant;
  wakeWhy: string;
  readonly deadlines: Deadlines;
  /** The doubt of ourselves that every peer's deadline was found with. */
  wakeDoubt: number;
};

export type Step = {
  readonly state: State;
  readonly now: Instant;
  readonly wall: WallTime;
  readonly random: Random;
  readonly ownEndUp: ((link: LinkId) => boolean | undefined) | undefined;
  readonly out: MembershipEffect[];
};
