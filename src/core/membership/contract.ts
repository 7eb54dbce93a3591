import type { Duration, Instant, Wake, WallTime } from "../kernel/time.ts";
import type { Random } from "../kernel/random.ts";
import type { NodeId } from "../records/record.ts";
import type { Place } from "../records/scope.ts";

/** One authenticated, ordered, reliable connection to a peer. Never reused. */
export type LinkId = number;

/** How a link ended; what it proves differs. */
export type LinkEnd =
  /** The peer's kernel closed it (FIN or RST): the process behind it is gone or said goodbye. */
  | "closed"
  /** We heard nothing for too long and gave it up. */
  | "silent"
  /** We closed it ourselves: a duplicate, a policy, or we are stopping. */
  | "ours";

export type DialFailure =
  /** The host answered that nobody listens: the machine is up, the agent is not. */
  | "refused"
  /** No route, no answer, or an error of our own network. */
  | "unreachable"
  /** Somebody answered who is not the member we wanted. */
  | "untrusted";

/** Whether two members may have a link; the same answer for both orders, and on every node with the same view. */
export type Permits = (one: NodeId, other: NodeId) => boolean;

/** A member as far as reaching it is concerned: roster and status fact, joined by the caller. */
export type Peer = Place & {
  readonly id: NodeId;
  readonly name: string;
  /** `host:port`, best first; empty when it never said. */
  readonly addresses: readonly string[];
  /** How much slower than usual the link to it beats, from 1 on; both ends know the same. */
  readonly pace: number;
  /** Why the link policy keeps us apart; undefined when it does not. */
  readonly forbidden?: string | undefined;
};

/**
 * What we hold true of a member.
 * `alive`: a link, ours or one reported by a node we can reach.
 * `dead`: nobody here has a link, and there is hard evidence that its process is gone.
 * `unreachable`: nobody here has a link, and that is all we know. Unknown never counts as dead.
 */
export type Verdict = "alive" | "unreachable" | "dead";

export type Evidence = {
  readonly verdict: Verdict;
  /** Since when, by our monotonic clock. */
  readonly since: Instant;
  /** Our own link to it, when there is one. */
  readonly link: LinkId | undefined;
  /** Round trip on that link, when measured. */
  readonly roundTrip: Duration | undefined;
  /** When a frame of it last arrived on a link of ours; undefined if never since we started. */
  readonly heardAt: Instant | undefined;
  /** One sentence per observation, newest first, at most 8: shown by `starlight why node/x`. */
  readonly reasons: readonly string[];
};

export type MembershipConfig = {
  readonly self: NodeId;
  readonly pingEvery: Duration;
  /** Silence on a link after which it is given up. */
  readonly silentAfter: Duration;
  /** Longest wait between two dials of the same member. */
  readonly redialMax: Duration;
};

export type MembershipEvent =
  /** The roster or an address changed; the complete list without ourselves. */
  | {
      readonly type: "peers";
      readonly peers: readonly Peer[];
      readonly place: Place;
      /** Under a link policy: whether two members may have a link. */
      readonly permits?: Permits | undefined;
    }
  /** `via`: the relay it goes through, if any. */
  | {
      readonly type: "link-opened";
      readonly link: LinkId;
      readonly peer: NodeId;
      readonly outbound: boolean;
      readonly via?: NodeId | undefined;
    }
  | { readonly type: "link-closed"; readonly link: LinkId; readonly end: LinkEnd }
  | {
      readonly type: "dial-failed";
      readonly peer: NodeId;
      readonly why: DialFailure;
      readonly detail: string;
    }
  /** A membership frame from a peer, as bytes off the wire: hostile until decoded. */
  | { readonly type: "frame"; readonly link: LinkId; readonly bytes: Uint8Array }
  /** Any other frame arrived on a link: it counts as a sign of life. */
  | { readonly type: "heard"; readonly link: LinkId }
  /** `observer` says (in its links fact) that it has links with exactly these nodes. */
  | { readonly type: "observed"; readonly observer: NodeId; readonly peers: readonly NodeId[] }
  /** Addresses of this machine came or went. */
  | { readonly type: "network-changed" }
  /** Our own process was stalled for this long: silence in that time is our fault. */
  | { readonly type: "stalled"; readonly by: Duration }
  | { readonly type: "wake" };

export type MembershipEffect =
  /** `relays` are taken when no address answers; empty where a link through one is of no use. */
  | {
      readonly type: "dial";
      readonly peer: NodeId;
      readonly addresses: readonly string[];
      readonly relays: readonly NodeId[];
    }
  | { readonly type: "close"; readonly link: LinkId; readonly end: LinkEnd }
  | { readonly type: "send"; readonly link: LinkId; readonly bytes: Uint8Array }
  /** A link is ready for other traffic (exactly one per peer is). */
  | { readonly type: "peer-up"; readonly peer: NodeId; readonly link: LinkId }
  | { readonly type: "peer-down"; readonly peer: NodeId; readonly link: LinkId; readonly end: LinkEnd }
  /** Our set of working links changed: to be published as our links fact. Sorted. */
  | { readonly type: "links-changed"; readonly peers: readonly NodeId[] }
  /** How far the peer's wall clock is ahead of ours, in ms, as far as a round trip tells. */
  | { readonly type: "clock-seen"; readonly peer: NodeId; readonly ahead: Duration }
  | { readonly type: "verdict-changed"; readonly peer: NodeId; readonly from: Verdict; readonly to: Verdict };

export type MembershipEnv = { readonly now: Instant; readonly wall: WallTime; readonly random: Random };

export type Membership = {
  readonly handle: (event: MembershipEvent, env: MembershipEnv) => readonly MembershipEffect[];
  readonly wake: () => Wake;
  /** Undefined for ourselves and for nodes not on the roster. */
  readonly evidence: (peer: NodeId) => Evidence | undefined;
  /** Members we have a working link with, sorted. */
  readonly linked: () => readonly NodeId[];
  /** Members that can carry something to a peer, best first. */
  readonly relaysTo: (peer: NodeId) => readonly NodeId[];
};
