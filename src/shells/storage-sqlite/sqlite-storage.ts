import { backup } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { StorageError, type Put, type Storage } from "../../ports/storage.ts";
import { applyCommit, lastGeneration, type Commit } from "./apply-commit.ts";
import { metaDamage, openDatabase } from "./database.ts";
import { deviceMeter } from "./device-meter.ts";
import { isNoFailure, storageErrorOf } from "./failures.ts";
import { nameHolder } from "./holder.ts";
import { readMeta, writeMeta, type Meta, type Usage } from "./meta.ts";
import { createMirror, type Mirror } from "./mirror.ts";
import { reconcile } from "./reconcile.ts";
import { eachRow, loadRows, rowStatements, selectRows } from "./rows.ts";
import { usageCounter } from "./usage.ts";

/**
 * Slots in one SQLite table: write-ahead log, full synchronisation, and one commit for all writes asked
 * for in one turn of the event loop. Every row carries a checksum of its own, because SQLite does not
 * notice a flipped bit inside a value.
 */
export type SqliteStorage = Storage & {
  /** Bytes written to the device today and since the store was made; up to a minute of it dies with us. */
  readonly usage: () => Usage;
  /** Copies the store as it is at the end of the copying into one new file, while writes go on. */
  readonly backup: (file: string) => Promise<void>;
};

export type SqliteOptions = {
  /** A second database, best on another disk, that every commit also goes to. */
  readonly mirror?: string | undefined;
  readonly note?: StorageNote | undefined;
  /** Wall clock, for days and for names of files. */
  readonly now?: (() => number) | undefined;
  /** How often a mirror that failed is tried again. */
  readonly mirrorRetryMs?: number | undefined;
};

/** Something that a person should know and that failed no call. */
export type StorageNote = (level: "info" | "warning", reason: string, message: string) => void;

type Waiting = {
  readonly puts: readonly Put[];
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
};

/** A step of a backup holds up writes; 64 pages are a quarter of a MiB. */
const backupPagesPerStep = 64;
/** Now and then Node rejects a backup whose step met a write, with the result code that says that nothing failed. */
const backupTriesMax = 8;
/** Before the second try, and twice as long before each one after it, since writes come in bursts. */
const backupPauseMs = 10;

/** Opens or creates the database. Throws a `StorageError`; what was there is then left as it was. */
export function openSqliteStorage(path: string, options: SqliteOptions = {}): SqliteStorage {
  const { note = () => {}, now = Date.now } = options;
  if (options.mirror !== undefined) reconcile(path, options.mirror, note, now());
  const database = openDatabase(path);
  const { statements, rows, meta } = prepared();
  const unnameHolder = nameHolder(path);
  const meter = deviceMeter();
  const usage = usageCounter(meta.usage, meter.bytes, now);
  const openedAt = meta.generation;
  let generation = openedAt;
  let waiting: Waiting[] = [];
  let broken: StorageError | undefined;
  const mirror: Mirror | undefined =
    options.mirror === undefined
      ? undefined
      : createMirror({
          path: options.mirror,
          note,
          retryMs: options.mirrorRetryMs,
          lineage: meta.lineage,
          generation: () => generation,
          rows: () => loadRows(rows, path),
        });

  function prepared() {
    try {
      const { lineage, generation: inMeta, usage: stored } = readMeta(database);
      if (lineage === undefined || inMeta === undefined) {
        throw new StorageError({ type: "corrupt", path, detail: metaDamage });
      }
      const known = { lineage, generation: lastGeneration(database, inMeta), usage: stored };
      return { statements: rowStatements(database), rows: selectRows(database), meta: known };
    } catch (error) {
      database.close();
      throw storageErrorOf(error, path);
    }
  }

  /** Whether anything had to be written, or why it could not be. */
  const store = (change: Commit): StorageError | boolean => {
    if (broken !== undefined) return broken;
    const isDue = usage.isDue();
    try {
      const wrote = applyCommit(database, statements, change, isDue ? { usage: usage.now() } : {});
      if (isDue) usage.saved();
      return wrote;
    } catch (error) {
      return storageErrorOf(error, path);
    }
  };

  const commit = (): void => {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    const change = { generation: generation + 1, changes: changesOf(batch) };
    const stored = store(change);
    if (typeof stored !== "boolean") {
      // A failed fsync may have dropped what it could not write, and would then report success: after any
      // failure but a full disk, nothing this process says of the file can be trusted any more.
      if (stored.failure.type !== "full") broken = stored;
      for (const { reject } of batch) reject(stored);
      return;
    }
    if (stored) generation = change.generation;
    meter.add(payloadBytes(batch));
    const acknowledge = (): void => {
      for (const { resolve } of batch) resolve();
    };
    // Also when nothing was written: an earlier commit of the same bytes may still be on its way there.
    const mirrored = mirror?.commit(change);
    if (mirrored === undefined) acknowledge();
    else void mirrored.then(acknowledge);
  };

  const saveUsage = (): void => {
    if (broken !== undefined || generation === openedAt) return;
    try {
      writeMeta(database, { usage: usage.now() } satisfies Partial<Meta>);
    } catch {
      // Only a statistic is lost.
    }
  };

  return {
    load: () => eachRow(rows, path),
    write: (puts) =>
      new Promise((resolve, reject) => {
        waiting.push({ puts, resolve, reject });
        if (waiting.length === 1) setImmediate(commit);
      }),
    bytesWritten: meter.bytes,
    usage: usage.now,
    backup: async (file) => {
      for (let tries = 1; ; tries++) {
        try {
          await backup(database, file, { rate: backupPagesPerStep });
          return;
        } catch (error) {
          if (tries === backupTriesMax || !isNoFailure(error)) throw storageErrorOf(error, file);
        }
        await setTimeout(backupPauseMs * 2 ** (tries - 1));
      }
    },
    close: async () => {
      commit();
      if (database.isOpen) saveUsage();
      broken ??= new StorageError({ type: "io", path, detail: "the storage is closed" });
      if (mirror !== undefined) await mirror.close();
      if (database.isOpen) {
        database.close();
        unnameHolder();
      }
    },
  };
}

/** The last word on each slot. */
function changesOf(batch: readonly Waiting[]): ReadonlyMap<string, Uint8Array | undefined> {
  const changes = new Map<string, Uint8Array | undefined>();
  for (const { puts } of batch) for (const { slot, bytes } of puts) changes.set(slot, bytes);
  return changes;
}

function payloadBytes(batch: readonly Waiting[]): number {
  let sum = 0;
  for (const { puts } of batch) for (const { slot, bytes } of puts) sum += slot.length + (bytes?.length ?? 0);
  return sum;
}
