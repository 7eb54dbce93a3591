import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { guarded } from "./identity-error.ts";

/** Files that are whole or absent, also after a power cut: written aside, synchronised, renamed. */

export function makeDirectory(path: string): void {
  guarded(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
}

/** Replaces a file. Readers see the old or the new content, never a part. */
export function writeDurably(path: string, content: string | Uint8Array): void {
  const aside = `${path}.${process.pid}.new`;
  guarded(path, () => {
    try {
      writeSynced(aside, content);
      renameSync(aside, path);
    } catch (error) {
      rmSync(aside, { force: true });
      throw error;
    }
    syncDirectory(dirname(path));
  });
}

export function readText(path: string): string {
  return guarded(path, () => readFileSync(path, "utf8"));
}

export type Files = { readonly [file: string]: string | Uint8Array };

const stagingPrefix = ".staging-";
const besideFolder = "beside";
const stagingAgeMaxMs = 60_000;

/**
 * Puts a folder of files into a data folder, and other folders beside it: all of them or none.
 *
 * The folder appears by one rename, which fails if it is there already (rename(2) does not replace a
 * folder that has files), so of several processes one wins and the others change nothing. What belongs
 * beside it travels inside, and is moved out after the rename; `finishFolder` does that again if the
 * winner is killed in between.
 *
 * @returns false when the folder already exists.
 */
export function commitFolder(
  directory: string,
  folder: string,
  files: Files,
  beside: { readonly [folder: string]: Files },
): boolean {
  return guarded(directory, () => {
    const created = mkdirSync(directory, { recursive: true, mode: 0o700 });
    sweepStaging(directory);
    const staging = mkdtempSync(join(directory, stagingPrefix));
    const path = join(directory, folder);
    try {
      const inside = join(staging, folder);
      writeFolder(inside, files);
      if (Object.keys(beside).length > 0) writeFolder(join(inside, besideFolder), {});
      for (const [name, content] of Object.entries(beside)) {
        writeFolder(join(inside, besideFolder, name), content);
      }
      renameSync(inside, path);
      syncDirectory(directory);
    } catch (error) {
      if (isTaken(error)) return false;
      if (created !== undefined) rmSync(created, { recursive: true, force: true });
      throw error;
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
    finishFolder(directory, folder);
    return true;
  });
}

/**
 * Moves out what a committed folder still holds for its neighbours. A neighbour of the same name, left by
 * hand or by an older life of the data folder, is moved aside and not deleted: it may hold a root key.
 */
export function finishFolder(directory: string, folder: string): void {
  const waiting = join(directory, folder, besideFolder);
  if (!existsSync(waiting)) return;
  guarded(waiting, () => {
    for (const name of readdirSync(waiting)) {
      setAside(join(directory, name));
      renameSync(join(waiting, name), join(directory, name));
    }
    syncDirectory(directory);
    rmSync(waiting, { recursive: true });
  });
}

function writeFolder(path: string, files: Files): void {
  mkdirSync(path, { mode: 0o700 });
  for (const [name, content] of Object.entries(files)) writeSynced(join(path, name), content);
  syncDirectory(path);
}

function writeSynced(path: string, content: string | Uint8Array): void {
  const file = openSync(path, "wx", 0o600);
  try {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/**
 * Removes what killed attempts left behind: nobody ever used it. A young one may belong to an attempt
 * that is still under way.
 */
function sweepStaging(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(stagingPrefix)) continue;
    const path = join(directory, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.mtimeMs > stagingAgeMaxMs) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

function setAside(path: string): void {
  if (!existsSync(path)) return;
  for (let number = 1; ; number++) {
    const aside = `${path}.aside-${number}`;
    if (existsSync(aside)) continue;
    renameSync(path, aside);
    return;
  }
}

function isTaken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOTEMPTY" || code === "EEXIST";
}
