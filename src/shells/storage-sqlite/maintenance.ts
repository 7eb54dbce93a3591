import { existsSync, renameSync, rmSync } from "node:fs";
import { StorageError } from "../../ports/storage.ts";
import { storageErrorOf } from "./failures.ts";
import { inspectStore, type Inspection } from "./inspect-store.ts";
import { merge } from "./merge.ts";
import { newLineage } from "./meta.ts";
import { areStrangers } from "./reconcile.ts";
import { replaceDatabase, syncFolder } from "./replace.ts";
import { writeStore } from "./write-store.ts";

/** What is done to a store while no agent has it open. All of it throws `StorageError`s. */

export type Repair = {
  /** False: there was nothing to do, and nothing was done. */
  readonly isRepaired: boolean;
  readonly findings: readonly string[];
  readonly rows: number;
  readonly rowsFromMirror: number;
  /** Rows that are in neither copy, as far as their names can be told. */
  readonly lost: readonly string[];
  /** Where the damaged file is. */
  readonly kept?: string | undefined;
  /** The mirror had not seen every commit, so its rows may be older than those that were lost. */
  readonly isMirrorOlder: boolean;
};

/** Makes a fresh store of everything that is whole here and in the mirror. */
export function repairStore(path: string, mirrorPath: string | undefined, now: number): Repair {
  const primary = inspectStore(path);
  let mirror: Inspection | undefined;
  try {
    const found = mirrorPath === undefined ? undefined : inspectStore(mirrorPath);
    mirror = found?.isPresent === true ? found : undefined;
    if (mirror !== undefined && areStrangers(primary, mirror)) {
      mirror.release();
      mirror = undefined;
    }
    return repairWith(primary, mirror, now);
  } finally {
    primary.release();
    mirror?.release();
  }
}

function repairWith(primary: Inspection, mirror: Inspection | undefined, now: number): Repair {
  const { path, findings } = primary;
  const isMirrorOlder = mirror !== undefined && mirror.generation < primary.generation;
  const mirrorIsAhead = mirror !== undefined && mirror.generation > primary.generation;
  if (primary.whole && !mirrorIsAhead) {
    return {
      isRepaired: false,
      findings,
      rows: primary.rows.length,
      rowsFromMirror: 0,
      lost: [],
      isMirrorOlder,
    };
  }
  const merged = mirror === undefined ? primary.rows : merge(primary, mirror);
  const rows = primary.whole ? merged : merged.filter(isNotPromise);
  const own = new Set(primary.rows);
  const slots = new Set(rows.map(({ slot }) => slot));
  const ready = `${path}.part`;
  writeStore(ready, rows, {
    ...primary.meta,
    lineage: primary.meta.lineage ?? mirror?.meta.lineage ?? newLineage(),
    // Newer than either copy was.
    generation: Math.max(primary.generation, mirror?.generation ?? 0) + 1,
  });
  return {
    isRepaired: true,
    findings: primary.whole
      ? [`it ended at commit ${primary.generation}, the mirror at ${mirror?.generation ?? 0}`]
      : findings,
    rows: rows.length,
    rowsFromMirror: rows.filter((row) => !own.has(row)).length,
    lost: primary.damaged.filter((name) => !slots.has(name)),
    kept: replaceDatabase(path, ready, primary.whole ? "behind" : "damaged", now),
    isMirrorOlder,
  };
}

/**
 * Promises to exclusive workloads (core/leases/rows.ts) as they once were, or in part, are worse than none: a
 * voter that knows that it has forgotten asks for its vote anew.
 */
const isNotPromise = ({ slot }: { readonly slot: string }): boolean => !slot.startsWith("meta/lease-");

export type Backup = { readonly rows: number; readonly fileBytes: number };

/** One file with everything; a damaged store is refused, so that no backup is worse than it seems. */
export function backupStore(path: string, file: string): Backup {
  const store = inspectStore(path);
  try {
    if (!store.isPresent) throw new StorageError({ type: "io", path, detail: "there is no database yet" });
    refuseDamaged(store);
    const part = `${file}.part`;
    writeStore(part, store.rows, { ...store.meta, generation: store.generation });
    return finishBackup(part, file);
  } finally {
    store.release();
  }
}

/** Checks a backup that was written aside, and gives it its name. */
export function finishBackup(part: string, file: string): Backup {
  try {
    const backup = inspectBackup(part);
    renameSync(part, file);
    syncFolder(file);
    return { rows: backup.rows.length, fileBytes: backup.fileBytes };
  } catch (error) {
    rmSync(part, { force: true });
    throw storageErrorOf(error, file);
  }
}

export type Restored = { readonly rows: number; readonly kept?: string | undefined };

/** Puts a backup in the place of the store, which is kept beside it. It begins a history of its own. */
export function restoreStore(path: string, file: string, now: number): Restored {
  const backup = inspectBackup(file);
  const store = inspectStore(path);
  try {
    const ready = `${path}.part`;
    const usage = store.meta.usage ?? backup.meta.usage;
    const rows = backup.rows.filter(isNotPromise);
    writeStore(ready, rows, {
      lineage: newLineage(),
      generation: backup.generation,
      ...(usage === undefined ? {} : { usage }),
    });
    return { rows: rows.length, kept: replaceDatabase(path, ready, "replaced", now) };
  } finally {
    store.release();
  }
}

/** A whole backup; throws otherwise. */
export function inspectBackup(file: string): Inspection {
  if (!existsSync(file)) throw new StorageError({ type: "io", path: file, detail: "no such file" });
  const backup = inspectStore(file, { isAlone: true });
  backup.release();
  if (!backup.isPresent) throw new StorageError({ type: "corrupt", path: file, detail: "it is empty" });
  refuseDamaged(backup);
  return backup;
}

function refuseDamaged({ whole, path, findings }: Inspection): void {
  if (!whole) throw new StorageError({ type: "corrupt", path, detail: findings[0] ?? "" });
}
