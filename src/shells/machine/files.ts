import { closeSync, existsSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";

/**
 * The files by which a kernel describes its machine, below any root: `/` on a real one, a folder in tests.
 * What is missing or may not be read is undefined or empty: machines differ, and that is no error.
 */
export type MachineFiles = {
  /** The content without white space and NUL at its end; at most 256 KiB of it. */
  readonly text: (path: string) => string | undefined;
  /** Names in a folder, sorted. */
  readonly list: (path: string) => readonly string[];
  readonly exists: (path: string) => boolean;
  /** The last part of what a symbolic link points to: how sysfs names a driver. */
  readonly target: (path: string) => string | undefined;
};

const bytesMax = 256 * 1024;

export function machineFiles(root: string): MachineFiles {
  // Not normalised: behind a symbolic link of sysfs, `..` is the parent of what it points to.
  const at = (path: string): string => (root === "/" ? path : root + path);
  return {
    text: (path) => attempt(() => readStart(at(path)).replace(/[\s\0]+$/, "")),
    list: (path) => attempt(() => readdirSync(at(path)).sort()) ?? [],
    exists: (path) => existsSync(at(path)),
    target: (path) => attempt(() => readlinkSync(at(path)).split("/").at(-1)),
  };
}

/** A number in a file of its own, as sysfs has them: decimal, or hexadecimal after `0x`. */
export function numberAt(files: MachineFiles, path: string): number | undefined {
  const text = files.text(path);
  return text !== undefined && /^(\d{1,15}|0x[0-9a-fA-F]{1,12})$/.test(text) ? Number(text) : undefined;
}

/** Lines of `key<separator>value`; the first of a key counts. */
export function pairsOf(text: string, separator: ":" | "=" | " "): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf(separator);
    if (at < 1) continue;
    const key = line.slice(0, at).trim();
    if (!pairs.has(key)) pairs.set(key, line.slice(at + 1).trim());
  }
  return pairs;
}

/** Files of /proc and /sys have no length before they are read. */
/** One for all: these are read every second, and what is read is text a moment later. */
const chunk = Buffer.alloc(16_384);

function readStart(path: string): string {
  const file = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    for (let bytes = 0; bytes < bytesMax;) {
      const read = readSync(file, chunk, 0, Math.min(chunk.length, bytesMax - bytes), null);
      if (read === 0) break;
      chunks.push(Buffer.from(chunk.subarray(0, read)));
      bytes += read;
    }
    return Buffer.concat(chunks).toString();
  } finally {
    closeSync(file);
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
