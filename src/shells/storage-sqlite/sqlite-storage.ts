import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { StorageError, type Put, type Storage, type StorageFailure } from "../../ports/storage.ts";

/**
 * Slots in one SQLite table, write-ahead log, full synchronisation. All writes asked for in one turn of
 * the event loop share a commit. Every row carries a checksum that is verified when it is loaded, because
 * SQLite itself does not notice a flipped bit.
 */

const schemaVersion = 1;

type Waiting = {
  readonly puts: readonly Put[];
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
};

/** Opens or creates the database. Throws a `StorageError`; the file is then untouched. */
export function openSqliteStorage(path: string): Storage {
  const unlock = lock(path);
  let database: DatabaseSync;
  try {
    database = openDatabase(path);
  } catch (error) {
    unlock();
    throw error instanceof StorageError ? error : new StorageError(failureOf(error, path));
  }
  return sqliteStorage(database, path, unlock);
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 500");
    const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > schemaVersion)
      throw new StorageError({ type: "newer", path, version, ours: schemaVersion });
    const [check] = Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {});
    if (check !== "ok") throw new StorageError({ type: "corrupt", path, detail: String(check) });
    database.exec(
      `CREATE TABLE IF NOT EXISTS slots (slot TEXT PRIMARY KEY, bytes BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
       PRAGMA user_version = ${schemaVersion}`,
    );
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function sqliteStorage(database: DatabaseSync, path: string, unlock: () => void): Storage {
  const upsert = database.prepare("INSERT OR REPLACE INTO slots (slot, bytes, checksum) VALUES (?, ?, ?)");
  const remove = database.prepare("DELETE FROM slots WHERE slot = ?");
  let waiting: Waiting[] = [];
  let written = 0;

  const commit = (): void => {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    try {
      database.exec("BEGIN IMMEDIATE");
      for (const { puts } of batch) for (const put of puts) written += apply(put, upsert, remove);
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      const failure = new StorageError(failureOf(error, path));
      for (const { reject } of batch) reject(failure);
      return;
    }
    for (const { resolve } of batch) resolve();
  };

  return {
    load: () =>
      database
        .prepare("SELECT slot, bytes, checksum FROM slots ORDER BY slot")
        .all()
        .map((row) => rowOf(row, path)),
    write: (puts) =>
      new Promise((resolve, reject) => {
        waiting.push({ puts, resolve, reject });
        if (waiting.length === 1) setImmediate(commit);
      }),
    bytesWritten: () => written,
    close: async () => {
      commit();
      if (database.isOpen) database.close();
      unlock();
      await Promise.resolve();
    },
  };
}

function apply({ slot, bytes }: Put, upsert: StatementSync, remove: StatementSync): number {
  if (bytes === undefined) remove.run(slot);
  else upsert.run(slot, bytes, checksumOf(slot, bytes));
  return slot.length + (bytes?.length ?? 0);
}

function rowOf(row: Record<string, unknown>, path: string): { slot: string; bytes: Uint8Array } {
  const { slot, bytes, checksum } = row;
  if (typeof slot !== "string" || !(bytes instanceof Uint8Array) || checksum !== checksumOf(slot, bytes)) {
    const detail = `the record ${JSON.stringify(slot)} does not match its checksum`;
    throw new StorageError({ type: "corrupt", path, detail });
  }
  return { slot, bytes };
}

function checksumOf(slot: string, bytes: Uint8Array): number {
  return crc32(bytes, crc32(slot));
}

function failureOf(error: unknown, path: string): StorageFailure {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { readonly errcode?: number }).errcode ?? 0;
  const primary = code & 0xff;
  if (primary === 13 || /ENOSPC|is full/.test(message)) return { type: "full", path };
  if (primary === 11 || primary === 26) return { type: "corrupt", path, detail: message };
  if (primary === 5) return { type: "locked", path, holder: "another program" };
  return { type: "io", path, detail: message };
}

/** Two agents must not share a folder. A lock file of a process that is gone is taken over. */
function lock(path: string): () => void {
  const file = `${path}.lock`;
  const mine = `${process.pid} ${startOf(process.pid) ?? ""}`;
  for (;;) {
    try {
      writeFileSync(file, mine, { flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw new StorageError(failureOf(error, path));
      const [pid = "", start = ""] = existsSync(file) ? readFileSync(file, "utf8").split(" ") : [];
      const alive = pid !== "" && startOf(Number(pid)) === start;
      if (alive) throw new StorageError({ type: "locked", path, holder: `process ${pid}` });
      rmSync(file, { force: true });
    }
  }
}

/** When a process started, in clock ticks since boot: tells a recycled process id. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
