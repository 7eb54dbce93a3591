import type { ProtocolRange } from "../records/protocol.ts";
import type { Duration, Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { MemberBody, StatusBody } from "../records/bodies.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";
import type { Detail } from "../records/scope.ts";
import type { Cover } from "../sync/contract.ts";
import type { NodeIdentity } from "./contract.ts";

/**
 * What a node holds of those whose detail it does not keep, in a mesh of two levels: full detail inside a
 * site or a region, summaries beyond.
 */
export type Levels = {
  /** Nodes outside of our roster whose membership is proven to us. In no scope's hash. */
  readonly guests: Map<NodeId, Guest>;
  /** Links with nodes that have not shown yet who they are. */
  readonly waiting: Map<LinkId, Stranger>;
  /** Links in use with nodes outside of our roster. */
  readonly links: Map<LinkId, ContactLink>;
  /** Authors whose credentials are asked for at the end of the turn, by link. */
  readonly asks: Map<LinkId, Set<NodeId>>;
  /** `link author` -> when it was asked for. */
  readonly askedAt: Map<string, Instant>;
  /** What links covered of the logs of authors that are not known yet. */
  readonly covers: Map<NodeId, readonly Cover[]>;
  /**
   * Until then nothing is placed: of intents that came together, some wait for their authors' credentials,
   * and half of an object may look like the end of a workload.
   */
  placeFrom: Instant;
  readonly ownPlace: OwnPlace;
  /** Somebody was added to the guests in this turn. */
  grew: boolean;
  /** When it is to be found anew whom we keep links with. */
  peersAt: Instant;
  contactsAt: Instant;
  summariesAt: Instant;
  roomAt: Instant;
  /** When the standing summary of our site came. */
  siteHeardAt: Instant;
  /** By the regions that we stand in. */
  readonly regionWords: Map<string, RegionWord>;
};

export type RegionWord = {
  /** Since when the standing summary of the region is not what we would say. */
  staleSince: Instant | undefined;
  /** What we would say, and since when it has been that. */
  meant: Uint8Array;
  meantSince: Instant;
  /** How often in a row we replaced another's word on it. */
  duels: number;
};

/** What we know of who is in our own place; see own-place.ts. */
export type OwnPlace = {
  /** We were told of it by somebody who knows it. */
  heard: boolean;
  /** Somebody whom we do not know has spoken for it: it is older than we are. */
  elders: boolean;
};

export type Guest = {
  readonly record: MeshRecord;
  readonly member: MemberBody;
  /** Where it is reached, if it told. */
  status: { readonly record: MeshRecord; readonly body: StatusBody } | undefined;
  usedAt: Instant;
};

/** A link whose peer has not shown yet who it is, and until when it may. */
export type Stranger = {
  readonly type: "link-opened";
  readonly link: LinkId;
  readonly peer: NodeId;
  readonly outbound: boolean;
  readonly tlsKey?: string | undefined;
  readonly speaks?: ProtocolRange | undefined;
  readonly until: Instant;
};

export type ContactLink = {
  readonly peer: NodeId;
  readonly outbound: boolean;
  /** Since when nothing but the link itself joins us. */
  unwantedSince: Instant | undefined;
};

export function newLevels(): Levels {
  return {
    guests: new Map(),
    waiting: new Map(),
    links: new Map(),
    asks: new Map(),
    askedAt: new Map(),
    covers: new Map(),
    placeFrom: Number.NEGATIVE_INFINITY,
    ownPlace: { heard: false, elders: false },
    grew: false,
    peersAt: Number.POSITIVE_INFINITY,
    contactsAt: Number.POSITIVE_INFINITY,
    summariesAt: Number.POSITIVE_INFINITY,
    roomAt: Number.NEGATIVE_INFINITY,
    siteHeardAt: 0,
    regionWords: new Map(),
  };
}

/** What is told of places often comes in bursts, and changes nothing of our links. */
const peersPause: Duration = 250;

export function peersSoon({ levels }: { readonly levels: Levels }, now: Instant): void {
  levels.peersAt = Math.min(levels.peersAt, now + peersPause);
}

export const detailOf = ({ identity }: { readonly identity: NodeIdentity }): Detail => identity.mesh.detail;
