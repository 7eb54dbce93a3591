import { hash53 } from "../kernel/hash.ts";
import { slotOf, type MeshRecord } from "../records/record.ts";
import type { Scope } from "../records/scope.ts";
import type { RecordStore } from "../records/store.ts";
import { bucketCount, nameOf, type DigestEntry } from "./frames.ts";

/** Summaries of a scope's records, for finding what differs without sending it. */

/** 8 bytes that stand for a slot, as a name. */
export function slotName(record: MeshRecord): string {
  const slot = slotOf(record);
  const low = hash53(slot);
  const high = hash53(slot, 0x5bd1e995);
  const name: number[] = [];
  for (let at = 0; at < 4; at++)
    name.push(Math.floor(low / 256 ** at) % 256, Math.floor(high / 256 ** at) % 256);
  return String.fromCharCode(...name);
}

export const idName = (record: MeshRecord): string => nameOf(record.id);

const bucketOf = (name: string): number => name.charCodeAt(0) % bucketCount;

/** For each bucket the xor of (id prefixes): equal sets give equal hashes in any order. */
export function bucketHashes(store: RecordStore, scope: Scope): Uint8Array {
  const hashes = new Uint8Array(bucketCount * 8);
  for (const record of store.bySlot.values()) {
    if (record.scope !== scope) continue;
    const start = 8 * bucketOf(slotName(record));
    for (let at = 0; at < 8; at++) hashes[start + at] = (hashes[start + at] ?? 0) ^ (record.id[at] ?? 0);
  }
  return hashes;
}

export function differingBuckets(ours: Uint8Array, theirs: Uint8Array): number[] {
  const buckets: number[] = [];
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    const start = 8 * bucket;
    let differs = false;
    for (let at = start; at < start + 8; at++) differs ||= ours[at] !== theirs[at];
    if (differs) buckets.push(bucket);
  }
  return buckets;
}

export function recordsInBuckets(
  store: RecordStore,
  scope: Scope,
  buckets: readonly number[],
): Map<string, MeshRecord> {
  const wanted = new Set(buckets);
  const found = new Map<string, MeshRecord>();
  for (const record of store.bySlot.values()) {
    if (record.scope !== scope) continue;
    const name = slotName(record);
    if (wanted.has(bucketOf(name))) found.set(name, record);
  }
  return found;
}

export function entriesOf(records: ReadonlyMap<string, MeshRecord>): DigestEntry[] {
  return [...records].map(([slot, record]) => ({ slot, version: record.version, id: idName(record) }));
}
