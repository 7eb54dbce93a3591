import type { IntentEntry } from "./contract.ts";
import { compareWrites, lifeOf, writesOf, type Write } from "./life.ts";

/**
 * The deletion that keeps a dead object dead: the newest of those that no edit outlived.
 *
 * Every write that a deletion took away had not seen this one: whoever saw it and is newer was taken away
 * by a still newer deletion, and there is none. So any part of the object's records that has this one in it
 * is dead, and the others may go in any order.
 *
 * @returns undefined when no deletion counts.
 */
export function gravestoneOf(entries: readonly IntentEntry[]): Write | undefined {
  const writes = entries.flatMap((entry) => writesOf(entry).flatMap((write) => write ?? []));
  let newest: Write | undefined;
  for (const { write, effective } of lifeOf(writes).deletions) {
    if (effective && (newest === undefined || compareWrites(write, newest) > 0)) newest = write;
  }
  return newest;
}
