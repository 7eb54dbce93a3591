import { type DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { StorageError, type Put, type Storage } from "../../ports/storage.ts";
import { openDatabase } from "./database.ts";
import { deviceMeter } from "./device-meter.ts";
import { storageErrorOf } from "./failures.ts";
import { nameHolder } from "./holder.ts";

/**
 * Slots in one SQLite table: write-ahead log, full synchronisation, and one commit for all writes asked
 * for in one turn of the event loop. Every row carries a checksum of its own, because SQLite does not
 * notice a flipped bit inside a value.
 */

type Waiting = {
  readonly puts: readonly Put[];
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
};

/** Opens or creates the database. Throws a `StorageError`; what was there is then left as it was. */
export function openSqliteStorage(path: string): Storage {
  const database = openDatabase(path);
  const unnameHolder = nameHolder(path);
  const statements = {
    put: database.prepare(
      `INSERT INTO slots (slot, bytes, checksum) VALUES (?, ?, ?)
       ON CONFLICT (slot) DO UPDATE SET bytes = excluded.bytes, checksum = excluded.checksum`,
    ),
    remove: database.prepare("DELETE FROM slots WHERE slot = ?"),
    rows: database.prepare("SELECT slot, bytes, checksum FROM slots ORDER BY slot"),
  };
  const meter = deviceMeter();
  let waiting: Waiting[] = [];
  let broken: StorageError | undefined;

  const commit = (): void => {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    const error = broken ?? commitBatch(database, statements, batch, path);
    if (error === undefined) {
      meter.add(payloadBytes(batch));
      for (const { resolve } of batch) resolve();
      return;
    }
    // A failed fsync may have dropped what it could not write, and would then report success: after any
    // failure but a full disk, nothing this process says of the file can be trusted any more.
    if (error.failure.type !== "full") broken = error;
    for (const { reject } of batch) reject(error);
  };

  return {
    load: () => loadRows(statements.rows, path),
    write: (puts) =>
      new Promise((resolve, reject) => {
        waiting.push({ puts, resolve, reject });
        if (waiting.length === 1) setImmediate(commit);
      }),
    bytesWritten: meter.bytes,
    close: () => {
      commit();
      broken ??= new StorageError({ type: "io", path, detail: "the storage is closed" });
      if (database.isOpen) {
        database.close();
        unnameHolder();
      }
      return Promise.resolve();
    },
  };
}

/** One transaction for the whole batch; on failure it is rolled back and the reason returned. */
function commitBatch(
  database: DatabaseSync,
  statements: { readonly put: StatementSync; readonly remove: StatementSync },
  batch: readonly Waiting[],
  path: string,
): StorageError | undefined {
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const { puts } of batch) {
      for (const { slot, bytes } of puts) {
        const name = Buffer.from(slot);
        if (bytes === undefined) statements.remove.run(name);
        else statements.put.run(name, bytes, checksumOf(name, bytes));
      }
    }
    database.exec("COMMIT");
    return undefined;
  } catch (error) {
    try {
      if (database.isTransaction) database.exec("ROLLBACK");
    } catch {
      // SQLite rolls an interrupted transaction back when the file is opened next.
    }
    return storageErrorOf(error, path);
  }
}

function loadRows(rows: StatementSync, path: string): readonly { slot: string; bytes: Uint8Array }[] {
  try {
    return Array.from(rows.iterate(), (row) => verified(row, path));
  } catch (error) {
    throw storageErrorOf(error, path);
  }
}

function verified(row: Readonly<Record<string, unknown>>, path: string): { slot: string; bytes: Uint8Array } {
  const { slot, bytes, checksum } = row;
  if (!(slot instanceof Uint8Array) || !(bytes instanceof Uint8Array)) {
    throw new StorageError({ type: "corrupt", path, detail: "a row has values of a wrong type" });
  }
  const name = Buffer.from(slot).toString();
  if (checksum !== checksumOf(slot, bytes)) {
    const shown = JSON.stringify(name.slice(0, 200));
    throw new StorageError({ type: "corrupt", path, detail: `row ${shown} does not match its checksum` });
  }
  return { slot: name, bytes };
}

/** CRC-32 of name and value: finds every flipped bit, burst and swapped row that a disk produces. */
function checksumOf(slot: Uint8Array, bytes: Uint8Array): number {
  return crc32(bytes, crc32(slot));
}

function payloadBytes(batch: readonly Waiting[]): number {
  let sum = 0;
  for (const { puts } of batch) for (const { slot, bytes } of puts) sum += slot.length + (bytes?.length ?? 0);
  return sum;
}
