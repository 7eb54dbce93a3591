import { StorageError, type Put, type Storage, type StorageFailure } from "./storage.ts";

/** A disk in memory: the test twin of a storage. Only what was acknowledged survives `crash`. */
export type MemoryDisk = {
  readonly open: () => Storage;
  /** The process dies: writes not yet acknowledged are gone, and the lock with them. */
  readonly crash: () => void;
  /** Every commit fails with this from now on; `undefined` repairs the disk. */
  readonly failWith: (failure: StorageFailure | undefined) => void;
};

type Waiting = {
  readonly puts: readonly Put[];
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
};

export function createMemoryDisk(path = "memory"): MemoryDisk {
  const bytesBySlot = new Map<string, Uint8Array>();
  let holder: symbol | undefined;
  let failure: StorageFailure | undefined;

  const open = (): Storage => {
    if (holder !== undefined) throw new StorageError({ type: "locked", path, holder: "this process" });
    const self = Symbol(path);
    holder = self;
    let waiting: Waiting[] = [];
    let written = 0;

    const commit = (): void => {
      const batch = waiting;
      waiting = [];
      const wrong =
        holder === self ? failure : ({ type: "io", path, detail: "the storage is closed" } as const);
      for (const { puts, resolve, reject } of batch) {
        if (wrong !== undefined) {
          reject(new StorageError(wrong));
          continue;
        }
        for (const { slot, bytes } of puts) {
          written += slot.length + (bytes?.length ?? 0);
          if (bytes === undefined) bytesBySlot.delete(slot);
          else bytesBySlot.set(slot, bytes.slice());
        }
        resolve();
      }
    };

    return {
      load: () => [...bytesBySlot].map(([slot, bytes]) => ({ slot, bytes: bytes.slice() })),
      write: (puts) =>
        new Promise((resolve, reject) => {
          waiting.push({ puts, resolve, reject });
          if (waiting.length === 1) setImmediate(commit);
        }),
      bytesWritten: () => written,
      close: () => {
        commit();
        if (holder === self) holder = undefined;
        return Promise.resolve();
      },
    };
  };

  return {
    open,
    crash: () => (holder = undefined),
    failWith: (next) => (failure = next),
  };
}
