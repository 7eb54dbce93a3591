import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { StorageError } from "../../ports/storage.ts";
import { storageErrorOf } from "./failures.ts";
import { newLineage, noUsage, writeMeta } from "./meta.ts";
import { finishReplacement } from "./replace.ts";
import { readWal } from "./wal.ts";

/** 1: slots without generation, no meta table. */
export const schemaVersion = 2;

/** "star": tells our files from other programs' SQLite files (https://sqlite.org/fileformat.html, 1.3.13). */
export const applicationId = 0x73746172;

/**
 * Opens the database for this process alone and checks its structure before anything is written to it.
 *
 * The lock is SQLite's own, held by the kernel for as long as the process lives, so there is nothing
 * stale to clean up after a `kill -9`. (https://sqlite.org/pragma.html#pragma_locking_mode)
 */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    finishReplacement(path);
    createPrivately(path);
    refuseDamagedLog(path);
    database = new DatabaseSync(path);
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    const found = pragma(database, "user_version");
    if (found > schemaVersion) {
      throw new StorageError({ type: "newer", path, version: found, ours: schemaVersion });
    }
    checkStructure(database, path, found);
    // An empty log of at most 2 MiB between commits, cut back to 4 MiB after a large transaction.
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
       PRAGMA wal_autocheckpoint = 500; PRAGMA journal_size_limit = 4194304`,
    );
    if (found === 0) createSchema(database);
    if (found === 1) migrate(database);
    // Takes the exclusive lock when nothing above did; also proves that the table is there.
    database.prepare("SELECT count(*) FROM (SELECT 1 FROM slots LIMIT 1)").get();
    return database;
  } catch (error) {
    if (database?.isOpen === true) database.close();
    throw storageErrorOf(error, path);
  }
}

/**
 * Makes the file readable by the agent's user only; the log beside it takes over its mode. A file that is
 * there is not even opened: closing it would drop this process's POSIX locks on it, SQLite's included.
 */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

const slotsColumns = "slot BLOB 1 1,bytes BLOB 1 0,checksum INTEGER 1 0";

function checkStructure(database: DatabaseSync, path: string, version: number): void {
  const corrupt = (detail: string): StorageError => new StorageError({ type: "corrupt", path, detail });
  const tables = Number(Object.values(database.prepare("SELECT count(*) FROM sqlite_schema").get() ?? {})[0]);
  const id = pragma(database, "application_id");
  const isNew = version === 0 && id === 0 && tables === 0;
  if (!isNew && (id !== applicationId || version === 0)) throw corrupt("this is another program's database");
  const [finding] = Object.values(database.prepare("PRAGMA integrity_check(1)").get() ?? {});
  if (finding !== "ok") throw corrupt(String(finding));
  if (isNew) return;
  // A flipped bit in the schema's text is a valid schema of something else.
  const columns = database.prepare("PRAGMA table_info(slots)").all();
  const found = columns.map(({ name, type, notnull, pk }) => [name, type, notnull, pk].join(" "));
  if (found.slice(0, 3).join() !== slotsColumns) throw corrupt("its table is not as we made it");
}

/** Looked at before SQLite opens the log, drops what lies behind the damage, and tidies it away. */
function refuseDamagedLog(path: string): void {
  if (!readWal(path).damaged) return;
  // The log of a running agent is being written: then it is not damaged but in use.
  const probe = new DatabaseSync(path, { readOnly: true });
  try {
    probe.prepare("SELECT count(*) FROM sqlite_schema").get();
  } finally {
    probe.close();
  }
  throw new StorageError({ type: "corrupt", path, detail: logDamage });
}

export const metaDamage = "what the store knows of itself does not match its checksum";
export const logDamage = "the write-ahead log is damaged before commits that were finished";

/** Rows are found by name but not stored in its order: SQLite's advice for values of 200 bytes and more. */
export function createSchema(database: DatabaseSync): void {
  database.exec(
    `BEGIN IMMEDIATE;
     CREATE TABLE slots (slot BLOB PRIMARY KEY NOT NULL, bytes BLOB NOT NULL, checksum INTEGER NOT NULL,
       generation INTEGER NOT NULL DEFAULT 0) STRICT;
     ${metaTable}
     PRAGMA application_id = ${applicationId};
     PRAGMA user_version = ${schemaVersion}`,
  );
  finishSchema(database);
}

/** Rows of format 1 stay as they are, with generation 0. */
function migrate(database: DatabaseSync): void {
  database.exec(
    `BEGIN IMMEDIATE;
     ALTER TABLE slots ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
     ${metaTable}
     PRAGMA user_version = ${schemaVersion}`,
  );
  finishSchema(database);
}

function finishSchema(database: DatabaseSync): void {
  writeMeta(database, { lineage: newLineage(), generation: 0, usage: noUsage });
  database.exec("COMMIT");
}

const metaTable = `CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL,
  checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;`;

export function pragma(database: DatabaseSync, name: "user_version" | "application_id"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}
