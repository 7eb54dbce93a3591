/** Why a store could not be opened or written. Nothing was half-written. */
export type StorageFailure =
  | { readonly type: "corrupt"; readonly path: string; readonly detail: string }
  | { readonly type: "full"; readonly path: string }
  | { readonly type: "locked"; readonly path: string; readonly holder: string }
  | { readonly type: "newer"; readonly path: string; readonly version: number; readonly ours: number }
  | { readonly type: "io"; readonly path: string; readonly detail: string };

export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly failure: StorageFailure;

  constructor(failure: StorageFailure) {
    super(`${failure.type}: ${failure.path}`);
    this.failure = failure;
  }
}

export type Put = { readonly slot: string; readonly bytes: Uint8Array | undefined };

/**
 * A durable map from slot to bytes.
 *
 * `write` resolves when the puts of this call, and of every call before it, would survive a power cut.
 * The puts of one call are atomic. Calls made in the same turn of the event loop share one commit.
 */
export type Storage = {
  /** Row by row, so that all of it is never in memory twice. Throws a `StorageError` at a damaged row. */
  readonly load: () => Iterable<{ readonly slot: string; readonly bytes: Uint8Array }>;
  /** Rejects with a `StorageError`; none of the call's puts is then visible after a restart. */
  readonly write: (puts: readonly Put[]) => Promise<void>;
  /** Bytes written to the device since opening, as far as the store can tell. */
  readonly bytesWritten: () => number;
  readonly close: () => Promise<void>;
};
