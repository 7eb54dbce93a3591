import type { DialFailure, LinkEnd, LinkId } from "../core/membership/contract.ts";
import type { ProtocolRange } from "../core/records/protocol.ts";
import type { NodeId } from "../core/records/record.ts";

/** What is known of a link when it opens. */
export type OpenedLink = {
  /** SHA-256 of the key that the peer proved, in hex. */
  readonly tlsKey: string;
  /** The protocols that the peer says it speaks; whether one is ours, too, is for the core to say. */
  readonly speaks?: ProtocolRange | undefined;
  /** The relay it goes through, if any. */
  readonly via?: NodeId | undefined;
};

/** What the transport tells: every callback comes from the event loop, never from inside a call. */
export type TransportEvents = {
  /** Both sides proved who they are, and `admits` agreed to this key. */
  readonly opened: (link: LinkId, peer: NodeId, outbound: boolean, about: OpenedLink) => void;
  readonly closed: (link: LinkId, end: LinkEnd) => void;
  /** One whole frame, in order. At most `frameBytesMax`; a longer one ends the link. */
  readonly frame: (link: LinkId, bytes: Uint8Array) => void;
  readonly dialFailed: (peer: NodeId, why: DialFailure, detail: string) => void;
};

/** The ways to a member. */
export type Paths = {
  /** `host:port`, best first. */
  readonly addresses: readonly string[];
  /** Members that have a link with us and one with it, best first: taken when no address answers. */
  readonly relays: readonly NodeId[];
};

/**
 * Links between nodes: ordered, reliable, authenticated both ways.
 *
 * `admits(peer, tlsKey)` is asked on every connection, on both ends: the roster decides, not the CA
 * alone. It may admit a node that is on no roster here, which is then known by its key, and is to prove its
 * membership on the link before anything else counts. `tlsKey` is the SHA-256 of the peer's SubjectPublicKeyInfo in hex.
 */
export type Transport = {
  /** Tries the addresses, then the relays, until one answers as `peer`; `dialFailed` once when none did. */
  readonly dial: (peer: NodeId, addresses: readonly string[], relays?: readonly NodeId[]) => void;
  /** Queues a frame. A link whose queue passes `queueBytesMax` is closed rather than grown. */
  readonly send: (link: LinkId, bytes: Uint8Array) => void;
  /**
   * What the frames of an open link amounted to so far on the wire: compressed where they were, with the
   * headers of the layers below, and up to date when `send` returns. 0 for a link that is not open.
   */
  readonly sentBytes: (link: LinkId) => number;
  /**
   * Whether the interface with our end of an open link runs: is up and has a carrier. Undefined for a link that
   * is not open, or where nobody can tell.
   */
  readonly ownEndUp: (link: LinkId) => boolean | undefined;
  readonly close: (link: LinkId) => void;
  /** Stops listening and closes every link. */
  readonly stop: () => Promise<void>;
};

export const frameBytesMax = 4 * 1024 * 1024;
export const queueBytesMax = 64 * 1024 * 1024;
