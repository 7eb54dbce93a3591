import type { Crypto } from "../kernel/crypto.ts";
import type { Random } from "../kernel/random.ts";
import type { Duration, Instant, Wake } from "../kernel/time.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import type { LinkId } from "../membership/contract.ts";
import type { LinkClass, Urgency } from "../records/link-class.ts";
import type { MeshRecord, NodeId, RecordKind } from "../records/record.ts";
import type { Place, Scope } from "../records/scope.ts";
import type { RecordStore } from "../records/store.ts";

export type SyncConfig = {
  readonly self: NodeId;
  /** How often hashes are compared on a quiet link, to repair what a lost push left open. */
  readonly compareEvery: Duration;
};

/** What one author wrote in one scope and class: the unit in which nodes say how far they are. */
export type LogRef = { readonly scope: Scope; readonly kind: RecordKind; readonly author: NodeId };

/** Every record of the log that still counts, with a stamp above `from` and up to `to`, is there. */
export type Cover = LogRef & { readonly from: Version; readonly to: Version };

export type SyncEvent =
  | { readonly type: "peer-up"; readonly link: LinkId; readonly peer: NodeId; readonly place: Place }
  | { readonly type: "peer-down"; readonly link: LinkId }
  /** A sync frame from a peer, as bytes off the wire: hostile until decoded. */
  | { readonly type: "frame"; readonly link: LinkId; readonly bytes: Uint8Array }
  /** These records are new to our store: written here (`from` undefined) or accepted from a link. */
  | { readonly type: "stored"; readonly records: readonly MeshRecord[]; readonly from: LinkId | undefined }
  | { readonly type: "wake" };

export type SyncEffect =
  | { readonly type: "send"; readonly link: LinkId; readonly bytes: Uint8Array }
  /**
   * Records a peer sent us: to be authorised and stored by the caller, in this order. Afterwards the
   * caller notes the covers in the store (records/store.ts, `cover`).
   */
  | {
      readonly type: "received";
      readonly link: LinkId;
      readonly records: readonly MeshRecord[];
      readonly covers: readonly Cover[];
    }
  /** Live records that the peer turned out to lack: it was sent them. */
  | { readonly type: "only-here"; readonly records: readonly MeshRecord[] }
  /** The peer and we hold the same records in every shared scope: reported once per link and on change. */
  | { readonly type: "in-step"; readonly link: LinkId; readonly sent: number; readonly received: number }
  /** The peer broke the protocol; the caller closes the link. */
  | { readonly type: "protocol-error"; readonly link: LinkId; readonly detail: string };

/** `place` is our own; `store` is read, never written, by the sync. */
export type SyncEnv = {
  readonly now: Instant;
  readonly random: Random;
  readonly place: Place;
  readonly store: RecordStore;
  readonly crypto: Pick<Crypto, "sha256">;
  /** Whom a node says that it has a link with: it pushes its own records there itself. */
  readonly linkedTo: (node: NodeId) => readonly NodeId[];
  /** Whether our site is too large for links of everybody with everybody. */
  readonly isLargeSite: () => boolean;
  /** Whether news reach this peer, and us, as fast without our link. */
  readonly isSpare: (peer: NodeId) => boolean;
  /** What the link to a peer costs. */
  readonly linkClass: (peer: NodeId) => LinkClass;
  readonly budget: Budget;
  /** Members that have been in view for a while, we included. Asked for when a link to another site opens. */
  readonly settled: () => number;
};

/** What may be sent on a link: nothing here is remembered for it but where its peer stands. */
export type Budget = {
  /** Bytes that may go now, without what this turn has sent; Infinity where nobody counts. */
  readonly room: (link: LinkId, urgency: Urgency) => number;
  /** When sending this is worth while again; now, if it is. */
  readonly opensAt: (link: LinkId, urgency: Urgency) => Instant;
};

export const unlimited: Budget = {
  room: () => Number.POSITIVE_INFINITY,
  opensAt: () => Number.NEGATIVE_INFINITY,
};

/** What waits on a link for its budget: logs to be sent or announced, and the peer's questions. */
export type Waiting = { readonly logs: number; readonly questions: number; readonly until: Instant };

export type Sync = {
  readonly handle: (event: SyncEvent, env: SyncEnv) => readonly SyncEffect[];
  readonly wake: () => Wake;
  /** Whether the last comparison with the peer on this link found nothing missing. */
  readonly inStep: (link: LinkId) => boolean;
  readonly waiting: (link: LinkId) => Waiting | undefined;
};
