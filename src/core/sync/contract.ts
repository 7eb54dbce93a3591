import type { Random } from "../kernel/random.ts";
import type { Duration, Instant, Wake } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";
import type { Place } from "../records/scope.ts";
import type { RecordStore } from "../records/store.ts";

export type SyncConfig = {
  readonly self: NodeId;
  /** How often hashes are compared on a quiet link, to repair what a lost push left open. */
  readonly compareEvery: Duration;
};

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
  /** Record frames a peer sent us: to be opened, authorised and stored by the caller, in this order. */
  | { readonly type: "received"; readonly link: LinkId; readonly frames: readonly Uint8Array[] }
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
};

export type Sync = {
  readonly handle: (event: SyncEvent, env: SyncEnv) => readonly SyncEffect[];
  readonly wake: () => Wake;
  /** Whether the last comparison with the peer on this link found nothing missing. */
  readonly inStep: (link: LinkId) => boolean;
};
