import type { Random } from "../kernel/random.ts";
import type { Instant, Wake, WallTime } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { LinkId, MembershipConfig, MembershipEffect } from "./contract.ts";
import type { PathState } from "./paths.ts";
import type { PeerState } from "./peer-state.ts";

/** What the membership machine keeps, and one call of it. */

export type State = {
  readonly config: MembershipConfig;
  readonly peers: Map<NodeId, PeerState>;
  readonly peerByLink: Map<LinkId, NodeId>;
  readonly reports: Map<NodeId, readonly NodeId[]>;
  readonly paths: PathState;
  published: string;
  /** Something that verdicts or our links depend on was seen since the last judgement. */
  observed: boolean;
  wake: Wake;
};

export type Step = {
  readonly state: State;
  readonly now: Instant;
  readonly wall: WallTime;
  readonly random: Random;
  readonly out: MembershipEffect[];
};
