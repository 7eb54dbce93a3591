import type { DatabaseSync } from "node:sqlite";
import { writeMeta, type Meta } from "./meta.ts";
import type { RowStatements } from "./rows.ts";

/** What one commit changes, in the primary and in its mirror alike. Undefined bytes: the slot is removed. */
export type Commit = {
  readonly generation: number;
  readonly changes: ReadonlyMap<string, Uint8Array | undefined>;
};

/**
 * One transaction. On failure it is rolled back, and the error thrown.
 *
 * @returns false when the store held all of that already: then the number is not used up.
 */
export function applyCommit(
  database: DatabaseSync,
  statements: RowStatements,
  { generation, changes }: Commit,
  meta: Partial<Meta> = {},
): boolean {
  try {
    database.exec("BEGIN IMMEDIATE");
    let wroteRow = false;
    let removedRow = false;
    for (const [slot, bytes] of changes) {
      if (bytes === undefined) removedRow = statements.remove(slot) || removedRow;
      else wroteRow = statements.put({ slot, bytes, generation }) || wroteRow;
    }
    // Rows carry the number; a page more would be written for it otherwise.
    const known = removedRow && !wroteRow ? { ...meta, generation } : meta;
    if (Object.keys(known).length > 0) writeMeta(database, known);
    database.exec("COMMIT");
    return wroteRow || removedRow;
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
