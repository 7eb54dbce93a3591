import type { Duration, Instant, Wake, WallTime } from "../kernel/time.ts";
import type { Random } from "../kernel/random.ts";
import type { ProtocolRange } from "../records/protocol.ts";
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
  /** Our own kernel could not send on it (no route, network down, timed out): no word of the peer's. */
  | "failed"
  /** We closed it ourselves: a duplicate, a policy, or we are stopping. */
  | "ours";

export type DialFailure =
  /** The host answered that nobody listens: the machine is up, the agent is not. */
  | "refused"
  /** No answer. */
  | "unreachable"
  /** Our own kernel could not even send: no interface, no address, no route. Says nothing of the peer. */
  | "offline"
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
  /** How much slower than usual the link to it beats, from 1 on. */
  readonly pace: number;
  /**
   * For a node whose detail we do not keep: a contact of another place. It is dialled when it is `wanted`,
   * and its links are taken when it is `accepted`. Undefined for a member of our roster.
   */
  readonly contact?: "wanted" | "accepted" | undefined;
  /** Leases want a link with it, on both ends: where it is wanted for nothing else it is spare (paths.ts). */
  readonly needed?: boolean | undefined;
  /** Why the link policy keeps us apart; undefined when it does not. */
  readonly forbidden?: string | undefined;
};

/**
 * What we hold true of a member.
 * `alive`: a link, ours or one reported by a node we can reach; or it said that it is only restarted just now.
 * `dead`: nobody here has a link, and there is hard evidence that its process is gone: its kernel closed a
 * link, and its host refused dials for a while after that. Seen by us, or by others of its site.
 * `unreachable`: nobody here has a link, and that is all we know. Unknown never counts as dead.
 */
export type Verdict = "alive" | "unreachable" | "dead";

/** Who saw what of a member, and when by our clock. */
export type Observation = { readonly by: NodeId; readonly what: string; readonly at: Instant };

export type Evidence = {
  readonly verdict: Verdict;
  /** Since when, by our monotonic clock. */
  readonly since: Instant;
  /**
   * Of an unreachable member: most of its site's roster, and at least two, are alive here and not late, and
   * none of them has a link with it. In a site of two the other member is, and it is not its own network that
   * failed: it is in contact with other sites, or the interface of the lost link runs. So the member is off or
   * cut off alone, not we.
   */
  readonly lostBySite: boolean;
  /** Our own link to it, when there is one. */
  readonly link: LinkId | undefined;
  /** Round trip on that link, when measured. */
  readonly roundTrip: Duration | undefined;
  /** When a frame of it last arrived on a link of ours; undefined if never since we started. */
  readonly heardAt: Instant | undefined;
  /** When we asked what it answered last, on the link in use: what it had said before it heard of that, we have read. */
  readonly answeredFrom: Instant | undefined;
  /** The protocol that our link to it uses. */
  readonly protocol: number | undefined;
  /** Newest first, at most 16: shown by `starlight why node/x`. */
  readonly observations: readonly Observation[];
};

export type MembershipConfig = {
  readonly self: NodeId;
  /** A sign of life on each link so often; with more than five links rarer, so that all of them cost the same. */
  readonly pingEvery: Duration;
  /** Silence on a link after which it is given up, whatever others say. */
  readonly silentAfter: Duration;
  /** Longest wait between two dials of the same member; reached after sixteen times as long apart. */
  readonly redialMax: Duration;
  /** The protocols that we speak. */
  readonly speaks: ProtocolRange;
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
  /**
   * `speaks`: what the peer said it speaks; absent where both ends are of one build.
   * `via`: the relay it goes through, if any.
   */
  | {
      readonly type: "link-opened";
      readonly link: LinkId;
      readonly peer: NodeId;
      readonly outbound: boolean;
      readonly speaks?: ProtocolRange | undefined;
      readonly via?: NodeId | undefined;
    }
  | { readonly type: "link-closed"; readonly link: LinkId; readonly end: LinkEnd }
  /** Nobody here needs the link any more: the other end is told, and it is closed. */
  | { readonly type: "hang-up"; readonly link: LinkId }
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
  /**
   * `observer` says (in its links fact) that it has links with exactly these nodes, and that it saw the
   * processes of those others go.
   */
  | {
      readonly type: "observed";
      readonly observer: NodeId;
      readonly peers: readonly NodeId[];
      readonly gone: readonly NodeId[];
    }
  /** We have all that the peer at the other end of the link has. */
  | { readonly type: "in-step"; readonly link: LinkId }
  /** Addresses of this machine came or went. */
  | { readonly type: "network-changed" }
  /** We want to know what a peer has said up to now: `answeredFrom` of its evidence tells when we do. */
  | { readonly type: "ask"; readonly peer: NodeId }
  /** Our own process was stalled for this long: silence in that time is our fault. */
  | { readonly type: "stalled"; readonly by: Duration }
  /** Our own process ends now and is started again soon, as far as it knows: the peers are told. */
  | { readonly type: "stopping" }
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
  /** The peer speaks no protocol that we speak: the link is closed, and tried again now and then. */
  | { readonly type: "protocol-mismatch"; readonly peer: NodeId; readonly theirs: ProtocolRange }
  /** Our working links, or the processes that we saw go, changed: to be published as our links fact. Sorted. */
  | { readonly type: "links-changed"; readonly peers: readonly NodeId[]; readonly gone: readonly NodeId[] }
  /** How far the peer's wall clock is ahead of ours, in ms, as far as a round trip tells. */
  | { readonly type: "clock-seen"; readonly peer: NodeId; readonly ahead: Duration }
  | { readonly type: "verdict-changed"; readonly peer: NodeId; readonly from: Verdict; readonly to: Verdict };

export type MembershipEnv = {
  readonly now: Instant;
  readonly wall: WallTime;
  readonly random: Random;
  /** Whether the interface with our end of an open link runs (has a carrier); undefined where nobody can tell. */
  readonly ownEndUp?: ((link: LinkId) => boolean | undefined) | undefined;
};

export type Standing = Pick<Evidence, "verdict" | "since"> & {
  /** The link that is used. */
  readonly active: LinkId | undefined;
};

export type MeasuredTrip = Pick<Evidence, "roundTrip" | "answeredFrom">;

export type Membership = {
  readonly handle: (event: MembershipEvent, env: MembershipEnv) => readonly MembershipEffect[];
  readonly wake: () => Wake;
  /** What a peer is held for, and since when: costs a look-up. Undefined where `evidence` is. */
  readonly standing: (peer: NodeId) => Standing | undefined;
  readonly roundTrip: (peer: NodeId) => MeasuredTrip | undefined;
  /** All of it, with the reasons. Undefined for ourselves and for nodes not on the roster. */
  readonly evidence: (peer: NodeId) => Evidence | undefined;
  /** What speaks against ourselves: standstills, a network of our own that fails, everybody lost at once. */
  readonly selfDoubt: () => readonly Observation[];
  /** Members we have a working link with, sorted. */
  readonly linked: () => readonly NodeId[];
  /** Whether records spread as fast without what our link with this peer carries of them. */
  readonly isSpare: (peer: NodeId) => boolean;
  /** Members that can carry something to a peer, best first. */
  readonly relaysTo: (peer: NodeId) => readonly NodeId[];
};
