import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { walOf } from "./wal.ts";

/**
 * Puts another database in the place of one, which is kept beside it with its write-ahead log. A log must
 * never meet a file that it does not belong to, so the old pair goes first. If the process ends in
 * between, the next opening finishes: a missing database with a new one beside it can mean nothing else.
 *
 * @param ready A whole, synchronised file in the same folder.
 * @param word Says in the old one's name why it was replaced.
 * @returns where the old one is kept; undefined when there was none.
 */
export function replaceDatabase(path: string, ready: string, word: string, now: number): string | undefined {
  renameSync(ready, newOf(path));
  syncFolder(path);
  const kept = keep(path, word, now);
  finishReplacement(path);
  return kept;
}

/** Moves a database and its log aside. */
export function keep(path: string, word: string, now: number): string | undefined {
  if (!existsSync(path)) return undefined;
  const stamp = new Date(now).toISOString().replaceAll(/[:.]/g, "-");
  const kept = freeName(`${path}.${word}-${stamp}`);
  renameSync(path, kept);
  const log = statSync(walOf(path), { throwIfNoEntry: false });
  if (log !== undefined && log.size > 0) renameSync(walOf(path), walOf(kept));
  else rmSync(walOf(path), { force: true });
  // Only an index of the log, made anew by whoever opens it.
  rmSync(`${path}-shm`, { force: true });
  syncFolder(path);
  return kept;
}

export function finishReplacement(path: string): void {
  if (existsSync(path) || !existsSync(newOf(path))) return;
  if (existsSync(walOf(path))) renameSync(walOf(path), freeName(`${walOf(path)}.left`));
  renameSync(newOf(path), path);
  syncFolder(path);
}

const newOf = (path: string): string => `${path}.new`;

function freeName(wanted: string): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!existsSync(name)) return name;
  }
}

export function syncFolder(path: string): void {
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
