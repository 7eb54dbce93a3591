import type { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { StorageError } from "../../ports/storage.ts";
import { applyCommit, lastGeneration, type Commit } from "./apply-commit.ts";
import { openDatabase } from "./database.ts";
import { readMeta, writeMeta, type Meta } from "./meta.ts";
import { keep } from "./replace.ts";
import { rowStatements, type Row, type RowStatements } from "./rows.ts";

/** The thread that writes a mirror. Orders are carried out and answered one after the other. */
export type MirrorOrder =
  /** A mirror of another store, or one that is ahead of its primary, is kept aside and made anew. */
  | { readonly type: "open"; readonly lineage: string; readonly generation: number }
  /** Everything the mirror shall hold; only what differs is written. */
  | { readonly type: "contents"; readonly rows: readonly Row[]; readonly meta: Partial<Meta> }
  | { readonly type: "commit"; readonly commit: Commit }
  | { readonly type: "close" };

export type MirrorAnswer =
  | { readonly ok: true; readonly generation: number }
  | { readonly ok: false; readonly detail: string };

const path = String(workerData);
let database: DatabaseSync | undefined;
let statements: RowStatements | undefined;

function carryOut(order: MirrorOrder): number {
  if (order.type === "open") {
    const found = openMirror(order.lineage, order.generation);
    database = found.database;
    statements = rowStatements(database);
    return found.generation;
  }
  if (database === undefined || statements === undefined) throw new Error("it is not open");
  switch (order.type) {
    case "contents":
      becomeEqual(database, statements, order.rows, order.meta);
      return 0;
    case "commit":
      applyCommit(database, statements, order.commit);
      return order.commit.generation;
    case "close":
      database.close();
      database = undefined;
      return 0;
  }
}

/** Generation -1 says that it is to be filled. */
function openMirror(
  lineage: string,
  generation: number,
): { readonly database: DatabaseSync; readonly generation: number } {
  let opened: DatabaseSync;
  try {
    opened = openDatabase(path);
  } catch (error) {
    if (!(error instanceof StorageError) || error.failure.type !== "corrupt") throw error;
    keep(path, "damaged", Date.now());
    return { database: openDatabase(path), generation: -1 };
  }
  const meta = readMeta(opened);
  const last = lastGeneration(opened, meta.generation ?? 0);
  if (meta.lineage === lineage && last <= generation) return { database: opened, generation: last };
  if (last === 0) return { database: opened, generation: -1 };
  opened.close();
  keep(path, meta.lineage === lineage ? "ahead" : "other", Date.now());
  return { database: openDatabase(path), generation: -1 };
}

/** In one transaction, so that a mirror is always the store as it was after some commit. */
function becomeEqual(
  database: DatabaseSync,
  statements: RowStatements,
  rows: readonly Row[],
  meta: Partial<Meta>,
): void {
  const held = new Map<string, number>();
  for (const { slot, generation } of database.prepare("SELECT slot, generation FROM slots").all()) {
    if (slot instanceof Uint8Array) held.set(Buffer.from(slot).toString(), Number(generation));
  }
  database.exec("BEGIN IMMEDIATE");
  for (const row of rows) {
    // Rows without a number cannot be told apart by it; others must get the primary's, whatever they hold.
    const number = held.get(row.slot);
    if (number !== row.generation && number !== undefined) statements.remove(row.slot);
    if (number !== row.generation || number === 0) statements.put(row);
    held.delete(row.slot);
  }
  for (const slot of held.keys()) statements.remove(slot);
  writeMeta(database, meta);
  database.exec("COMMIT");
}

parentPort?.on("message", (order: MirrorOrder) => {
  let answer: MirrorAnswer;
  try {
    answer = { ok: true, generation: carryOut(order) };
  } catch (error) {
    answer = { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort?.postMessage(answer);
});
