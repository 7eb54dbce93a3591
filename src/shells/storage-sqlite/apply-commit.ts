import type { DatabaseSync } from "node:sqlite";
import { writeMeta, type Meta } from "./meta.ts";
import type { RowStatements } from "./rows.ts";

/** What one commit changes, in the primary and in its mirror alike. Undefined bytes: the slot is removed. */
export type Commit = {
  readonly generation: number;
  readonly changes: ReadonlyMap<string, Uint8Array | undefined>;
};

/** One transaction. On failure it is rolled back, and the error thrown. */
export function applyCommit(
  database: DatabaseSync,
  statements: RowStatements,
  { generation, changes }: Commit,
  meta: Partial<Meta> = {},
): void {
  try {
    database.exec("BEGIN IMMEDIATE");
    let writesRow = false;
    for (const [slot, bytes] of changes) {
      if (bytes === undefined) statements.remove(slot);
      else statements.put({ slot, bytes, generation });
      writesRow ||= bytes !== undefined;
    }
    // Rows carry the number; a page more would be written for it otherwise.
    const known = writesRow ? meta : { ...meta, generation };
    if (Object.keys(known).length > 0) writeMeta(database, known);
    database.exec("COMMIT");
  } catch (error) {
    try {
      if (database.isTransaction) database.exec("ROLLBACK");
    } catch {
      // SQLite rolls an interrupted transaction back when the file is opened next.
    }
    throw error;
  }
}

/** The number of the last commit of an open store. */
export function lastGeneration(database: DatabaseSync, inMeta: number): number {
  const statement = database.prepare("SELECT max(generation) FROM slots");
  statement.setReadBigInts(true);
  const [highest] = Object.values(statement.get() ?? {});
  return Math.max(inMeta, Number(highest ?? 0));
}
