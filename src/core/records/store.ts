import { equalBytes } from "../kernel/bytes.ts";
import type { Crypto, Signer } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import { coverLog, dropFromLog, logName, putIntoLog, type Log } from "./log.ts";
import { isTombstone, slotOf, type MeshRecord, type NodeId } from "./record.ts";
import type { Scope } from "./scope.ts";
import { leavesMax } from "./merkle.ts";
import { sameSeal, sealName, sealTogether } from "./seal.ts";
import type { Seal } from "./record.ts";

/**
 * The records a node holds: the newest of each (key, author).
 *
 * Each scope has a running hash: the lane-wise sum of its record hashes (their first 16 bytes) modulo 2^32. Sums commute, so equal
 * sets give equal hashes in any order, and one replacement costs one subtraction and one addition.
 */
export type RecordStore = {
  readonly bySlot: Map<string, MeshRecord>;
  readonly hashByScope: Map<Scope, ScopeHash>;
  /** By `logName`. */
  readonly logs: Map<string, Log>;
  readonly logsByScope: Map<Scope, Log[]>;
  /** Logs that may hold more than their head says; whoever asks leaves those out that do not any more. */
  readonly beyondHead: Set<Log>;
  /** Seals of more than one record, so that what arrives piece by piece shares one. */
  readonly seals: Map<string, Seal>;
  /** Told of every record that comes and goes: summaries are kept up to date by it. */
  readonly watchers: ((record: MeshRecord, sign: 1 | -1) => void)[];
};

export type ScopeHash = { readonly lanes: Uint32Array; count: number };

export type PutOutcome =
  /** It replaced `replaced`, or is the first of its slot. */
  | { readonly type: "stored"; readonly replaced: MeshRecord | undefined }
  /** We hold this very record. */
  | { readonly type: "known" }
  /** We hold a newer one. */
  | { readonly type: "older"; readonly newer: MeshRecord }
  /** Same slot and version, other bytes: the author signed two truths. The smaller hash is kept. */
  | { readonly type: "equivocation"; readonly kept: MeshRecord; readonly other: MeshRecord };

export const emptyStore = (): RecordStore => ({
  bySlot: new Map(),
  hashByScope: new Map(),
  logs: new Map(),
  logsByScope: new Map(),
  beyondHead: new Set(),
  seals: new Map(),
  watchers: [],
});

export function putRecord(store: RecordStore, record: MeshRecord): PutOutcome {
  const slot = slotOf(record);
  const held = store.bySlot.get(slot);
  if (held !== undefined) {
    if (held.version > record.version) return { type: "older", newer: held };
    if (held.version === record.version && held.author !== record.author) {
      if (held.author > record.author) return { type: "older", newer: held };
    } else if (held.version === record.version) {
      if (equalBytes(held.hash, record.hash)) return { type: "known" };
      const [kept, other] = compareHashes(record.hash, held.hash) < 0 ? [record, held] : [held, record];
      if (kept !== held) replace(store, slot, held, kept);
      return { type: "equivocation", kept, other };
    }
  }
  replace(store, slot, held, record);
  return { type: "stored", replaced: held };
}

/**
 * Signs own records, as the next parcel of their log.
 *
 * @param records Of one author, scope and kind, and not sealed yet; any number.
 * @param whole Whether the store holds the log up to and including these; not so after our disk was lost,
 *   nor before they are on disk.
 */
export function sealNext(
  store: RecordStore,
  records: readonly MeshRecord[],
  whole: boolean,
  signer: Pick<Signer, "sign">,
  crypto: Pick<Crypto, "sha256">,
): void {
  const [first] = records;
  if (first === undefined) return;
  const log = logOf(store, first);
  const ordered = [...records].sort((left, right) => left.version - right.version);
  let previous = log.head;
  for (let from = 0; from < ordered.length; from += leavesMax) {
    const parcel = ordered.slice(from, from + leavesMax);
    sealTogether(parcel, previous, signer, crypto);
    const seal = parcel[0]?.seal;
    if (seal === undefined) return;
    previous = seal.last;
    seal.live = parcel.filter(({ live }) => live).length;
    if (seal.count > 1 && seal.live > 0) store.seals.set(sealName(seal), seal);
    // Nobody but us writes our log, so we hold all of it.
    if (whole) log.head = Math.max(log.head, seal.last);
  }
}

/** Forgets a slot, as if its record had never come. */
export function dropRecord(store: RecordStore, record: MeshRecord): void {
  const slot = slotOf(record);
  if (store.bySlot.get(slot) !== record) return;
  store.bySlot.delete(slot);
  leave(store, record);
}

export function findRecord(store: RecordStore, key: string, author: NodeId): MeshRecord | undefined {
  return store.bySlot.get(slotOf({ key, author }));
}

/** The log a record belongs to, made when it is the first. */
export function logOf(store: RecordStore, record: Pick<MeshRecord, "scope" | "kind" | "author">): Log {
  const name = logName(record);
  let log = store.logs.get(name);
  if (log === undefined) {
    const { scope, kind, author } = record;
    log = { scope, kind, author, head: 0, records: [], stale: 0, ahead: [] };
    store.logs.set(name, log);
    const held = store.logsByScope.get(scope);
    if (held === undefined) store.logsByScope.set(scope, [log]);
    else held.push(log);
  }
  return log;
}

/** We now hold all that still counts of the log from after `from` up to and including `to`. */
export function cover(
  store: RecordStore,
  of: Pick<MeshRecord, "scope" | "kind" | "author">,
  from: Version,
  to: Version,
): void {
  coverLog(logOf(store, of), from, to);
}

/** A scope's hash as 16 bytes and its number of records; all zero for a scope without records. */
export function scopeDigest(
  store: RecordStore,
  scope: Scope,
): { readonly hash: Uint8Array; readonly count: number } {
  const held = store.hashByScope.get(scope);
  const hash = new Uint8Array(16);
  if (held === undefined) return { hash, count: 0 };
  held.lanes.forEach((lane, at) => {
    hash[4 * at] = lane & 0xff;
    hash[4 * at + 1] = (lane >>> 8) & 0xff;
    hash[4 * at + 2] = (lane >>> 16) & 0xff;
    hash[4 * at + 3] = lane >>> 24;
  });
  return { hash, count: held.count };
}

export function tombstoneCount(store: RecordStore): number {
  let total = 0;
  for (const record of store.bySlot.values()) if (isTombstone(record)) total++;
  return total;
}

function replace(store: RecordStore, slot: string, old: MeshRecord | undefined, next: MeshRecord): void {
  if (old !== undefined) leave(store, old);
  store.bySlot.set(slot, next);
  next.live = true;
  shareSeal(store, next);
  if (next.seal !== undefined) next.seal.live++;
  const log = logOf(store, next);
  putIntoLog(log, next);
  if (next.version > log.head) store.beyondHead.add(log);
  count(hashOf(store, next.scope), next, 1);
  for (const watcher of store.watchers) watcher(next, 1);
}

function leave(store: RecordStore, record: MeshRecord): void {
  const { seal } = record;
  record.live = false;
  if (seal !== undefined && --seal.live === 0) store.seals.delete(sealName(seal));
  dropFromLog(logOf(store, record));
  count(hashOf(store, record.scope), record, -1);
  for (const watcher of store.watchers) watcher(record, -1);
}

/** Records of one parcel that came apart share what each of them knows of its hash tree. */
function shareSeal(store: RecordStore, record: MeshRecord): void {
  const { seal } = record;
  if (seal === undefined || seal.count === 1) return;
  const name = sealName(seal);
  const held = store.seals.get(name);
  if (held === undefined) store.seals.set(name, seal);
  else if (held !== seal && sameSeal(held, seal)) {
    for (const [range, hash] of seal.hashes) held.hashes.set(range, hash);
    record.seal = held;
  }
}

function count(hash: ScopeHash, record: MeshRecord, sign: 1 | -1): void {
  hash.count += sign;
  for (let lane = 0; lane < 4; lane++) {
    const at = 4 * lane;
    const value =
      ((record.hash[at] ?? 0) |
        ((record.hash[at + 1] ?? 0) << 8) |
        ((record.hash[at + 2] ?? 0) << 16) |
        ((record.hash[at + 3] ?? 0) << 24)) >>>
      0;
    hash.lanes[lane] = (hash.lanes[lane] ?? 0) + sign * value;
  }
}

function hashOf(store: RecordStore, scope: Scope): ScopeHash {
  let hash = store.hashByScope.get(scope);
  if (hash === undefined) {
    hash = { lanes: new Uint32Array(4), count: 0 };
    store.hashByScope.set(scope, hash);
  }
  return hash;
}

function compareHashes(left: Uint8Array, right: Uint8Array): number {
  for (let at = 0; at < left.length; at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
