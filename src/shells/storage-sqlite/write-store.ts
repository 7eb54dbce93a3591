import { closeSync, fsyncSync, openSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { StorageError } from "../../ports/storage.ts";
import { createSchema } from "./database.ts";
import { storageErrorOf } from "./failures.ts";
import { inspectStore } from "./inspect-store.ts";
import { writeMeta, type Meta } from "./meta.ts";
import { rowStatements, type Row } from "./rows.ts";

/**
 * Writes a store into one new file, synchronises it and reads it back. Nobody uses the file before that,
 * so it needs no journal. Throws a `StorageError`, with nothing left of the file.
 */
export function writeStore(path: string, rows: readonly Row[], meta: Partial<Meta>): void {
  try {
    rmSync(path, { force: true });
    closeSync(openSync(path, "wx", 0o600));
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
      createSchema(database);
      const statements = rowStatements(database);
      database.exec("BEGIN");
      writeMeta(database, meta);
      for (const row of rows) statements.put(row);
      database.exec("COMMIT");
    } finally {
      database.close();
    }
    syncFile(path);
    readBack(path, rows.length);
  } catch (error) {
    rmSync(path, { force: true });
    throw storageErrorOf(error, path);
  }
}

function readBack(path: string, count: number): void {
  const written = inspectStore(path, { isAlone: true });
  written.release();
  if (written.whole && written.rows.length === count) return;
  const detail = `what was written cannot be read back: ${written.findings[0] ?? "rows are missing"}`;
  throw new StorageError({ type: "io", path, detail });
}

export function syncFile(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
