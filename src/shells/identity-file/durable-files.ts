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

/** Folders of files by name that are to appear in a data folder. */
export type Staged = {
  readonly [folder: string]: { readonly [file: string]: string | Uint8Array };
};

const stagingPrefix = ".staging-";

/**
 * Puts whole folders into a data folder, in the order given; the last one is the commit mark. It appears
 * by a rename that fails if it is already there (rename(2) does not replace a folder that has files), so
 * of two processes only one wins. Earlier folders that a dead attempt left are moved aside, not deleted.
 *
 * @returns false when the last folder already exists; then nothing changed.
 */
export function commitFolders(directory: string, staged: Staged): boolean {
  return guarded(directory, () => {
    const created = mkdirSync(directory, { recursive: true, mode: 0o700 });
    sweepStaging(directory);
    const staging = mkdtempSync(join(directory, stagingPrefix));
    const folders = Object.keys(staged);
    const mark = folders.at(-1) ?? "";
    try {
      for (const [folder, files] of Object.entries(staged)) writeFolder(join(staging, folder), files);
      if (existsSync(join(directory, mark))) return false;
      for (const folder of folders) {
        if (folder !== mark) setAside(join(directory, folder));
        renameSync(join(staging, folder), join(directory, folder));
      }
      syncDirectory(directory);
      return true;
    } catch (error) {
      if (isTaken(error)) return false;
      if (created !== undefined) rmSync(created, { recursive: true, force: true });
      throw error;
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  });
}

function writeFolder(path: string, files: Staged[string]): void {
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

/** What a killed attempt left behind. It was never used by anybody. */
function sweepStaging(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(stagingPrefix)) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

function setAside(path: string): void {
  if (!existsSync(path)) return;
  for (let number = 1; ; number++) {
    const aside = `${path}.unfinished-${number}`;
    if (existsSync(aside)) continue;
    renameSync(path, aside);
    return;
  }
}

function isTaken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOTEMPTY" || code === "EEXIST";
}
