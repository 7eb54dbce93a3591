import { dirname } from "node:path";
import { statSync } from "node:fs";
import { StorageError } from "../../ports/storage.ts";
import { inspectStore, type Inspection } from "./inspect-store.ts";
import { merge } from "./merge.ts";
import { keep, replaceDatabase } from "./replace.ts";
import type { StorageNote } from "./sqlite-storage.ts";
import { writeStore } from "./write-store.ts";

/**
 * Before a store with a mirror is opened: repairs the primary from the mirror when that is certain to be
 * the newer or better one, and moves a mirror aside that is no mirror of this store. What is left to do,
 * bringing the mirror up to date, is done while the store is in use.
 *
 * Certain means: the mirror is whole and has seen every commit that the primary still knows of. Else a
 * damaged primary is refused as ever, and `starlight store repair` makes the best of both.
 */
export function reconcile(path: string, mirrorPath: string, note: StorageNote, now: number): void {
  const mirror = inspectMirror(mirrorPath, note);
  if (mirror === undefined) return;
  const primary = inspectStore(path);
  try {
    if (isSameDisk(path, mirrorPath)) {
      note("warning", "MirrorOnSameDisk", `${mirrorPath} and ${path} are on one disk, and are lost together`);
    }
    if (!mirror.isPresent) return;
    if (!mirror.whole) {
      mirror.release();
      const kept = keep(mirrorPath, "damaged", now) ?? "";
      note(
        "warning",
        "MirrorDamaged",
        `${mirror.findings[0] ?? ""}; it is made anew, the old one is ${kept}`,
      );
    } else if (primary.isPresent && areStrangers(primary, mirror)) {
      mirror.release();
      const kept = keep(mirrorPath, "other", now) ?? "";
      note("warning", "MirrorOfAnother", `${mirrorPath} mirrored another store; it is kept as ${kept}`);
    } else if (!primary.isPresent || mirror.generation > primary.generation || !primary.whole) {
      repairFrom(mirror, primary, note, now);
    }
  } finally {
    primary.release();
    mirror.release();
  }
}

function repairFrom(mirror: Inspection, primary: Inspection, note: StorageNote, now: number): void {
  const { path } = primary;
  if (mirror.generation < primary.generation) {
    const detail = `${primary.findings[0] ?? ""}; the mirror ${mirror.path} is older than it`;
    throw new StorageError({ type: "corrupt", path, detail });
  }
  const rows = merge(primary, mirror);
  const held = new Set(primary.rows.map(({ slot }) => slot));
  const back = rows.filter(({ slot }) => !held.has(slot)).length;
  writeStore(`${path}.part`, rows, {
    ...primary.meta,
    ...(mirror.meta.lineage === undefined ? {} : { lineage: mirror.meta.lineage }),
    generation: mirror.generation,
  });
  const kept = replaceDatabase(path, `${path}.part`, primary.whole ? "behind" : "damaged", now);
  const why = !primary.isPresent
    ? "it was missing"
    : (primary.findings[0] ?? `it ended at commit ${primary.generation}, the mirror at ${mirror.generation}`);
  const old = kept === undefined ? "" : `; the old file is ${kept}`;
  note(
    "warning",
    "StoreRepaired",
    `${path} was repaired from its mirror (${why}): ${back} rows came back${old}`,
  );
}

/** A mirror that cannot be read fails nothing; the mirror's own attempts will tell why. */
function inspectMirror(path: string, note: StorageNote): Inspection | undefined {
  try {
    statSync(dirname(path));
    return inspectStore(path);
  } catch (error) {
    if (error instanceof StorageError && error.failure.type !== "io") {
      note("warning", "MirrorFailed", `${path} cannot be compared: ${error.message}`);
    }
    return undefined;
  }
}

/** Of a store without a readable name nothing else is known: its file is named after the node. */
export function areStrangers(one: Inspection, other: Inspection): boolean {
  const [ours, theirs] = [one.meta.lineage, other.meta.lineage];
  return ours !== undefined && theirs !== undefined && ours !== theirs;
}

function isSameDisk(path: string, mirrorPath: string): boolean {
  return statSync(dirname(path)).dev === statSync(dirname(mirrorPath)).dev;
}
