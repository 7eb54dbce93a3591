import { aheadOf, observe } from "../kernel/hybrid-clock.ts";
import { isLeaseRow } from "../leases/rows.ts";
import type { LinkId } from "../membership/contract.ts";
import { partsOf } from "../records/keys.ts";
import { logName } from "../records/log.ts";
import { isUnjudged, openStored } from "../records/seal.ts";
import { slotOf, type MeshRecord, type NodeId } from "../records/record.ts";
import { keeps } from "../records/scope.ts";
import { dropRecord, putRecord } from "../records/store.ts";
import { endsWith, refusalOf } from "../trust/authorise.ts";
import { admitGuest, dropGuests, restoreGuests } from "./guests.ts";
import { readDayCount } from "./day-count.ts";
import { readHeads } from "./heads.ts";
import { cameLate, notTaken } from "./held.ts";
import { persist, unpersist } from "./durable.ts";
import { hasRoom } from "./later.ts";
import { askWho } from "./unknown-authors.ts";
import { indexRecord, type IndexChange } from "./records-index.ts";
import { isShutOut, offend } from "./offences.ts";
import { isCollected } from "./tombstones.ts";
import { memberOf, trustView } from "./trust-view.ts";
import { changed, note, type Turn } from "./turn.ts";
import { objectVoided } from "./voided.ts";

/**
 * Records on their way into the state: opened, checked against time, roster and signature, stored,
 * indexed. What cannot be judged yet is kept, bounded, and judged again when it can.
 */

const pendingMax = 10_000;
const setAsideMax = 10_000;
/** Records are up to 1 MiB long, so their number alone bounds nothing. */
const waitingBytesMax = 32 * 1024 * 1024;
const retryAsideEvery = 5_000;

export type Admitted = { readonly record: MeshRecord; readonly change: IndexChange | undefined };

/** Those of these records that are new here, in the order given. */
export function admitRecords(
  turn: Turn,
  records: readonly MeshRecord[],
  from: LinkId | undefined,
): readonly Admitted[] {
  const admitted: Admitted[] = [];
  for (const record of records) {
    if (isShutOut(turn, from)) break;
    admitOne(turn, record, from, admitted);
  }
  return admitted;
}

/** A record that was made outside of the core, as it is stored. */
export function admitStored(turn: Turn, bytes: Uint8Array): readonly Admitted[] {
  const opened = openStored(bytes, turn.env.crypto);
  if (opened.ok) return admitRecords(turn, [opened.value], undefined);
  note(turn, "warning", "RecordRefused", `not a record: ${opened.error.type}`);
  return [];
}

/** Frames from our own disk were judged when they came; here they are only put back in place. */
export function restoreFrames(turn: Turn, frames: Iterable<Uint8Array>): void {
  const unjudged: MeshRecord[] = [];
  const guests: MeshRecord[] = [];
  for (const bytes of frames) {
    if (readHeads(turn, bytes) || readDayCount(turn, bytes)) continue;
    if (isLeaseRow(bytes)) {
      turn.state.leaseRows.push(bytes);
      continue;
    }
    const opened = openStored(bytes, turn.env.crypto, turn.state.store.seals);
    if (!opened.ok) {
      note(
        turn,
        "error",
        "StoredRecordUnreadable",
        `a stored record is ${opened.error.type}; it is left alone`,
      );
      continue;
    }
    if (!keeps(turn.state.identity, opened.value.scope)) guests.push(opened.value);
    else if (isUnjudged(bytes)) unjudged.push(opened.value);
    else place(turn, opened.value, []);
  }
  restoreGuests(turn, guests);
  for (const record of unjudged) restoreUnjudged(turn, record);
}

/** A version before ours, or ours, did not know the key. Where we do, the record is judged now. */
function restoreUnjudged(turn: Turn, record: MeshRecord): void {
  if (partsOf(record.key) === undefined) return place(turn, record, []);
  const refusal = refusalOf(record, trustView(turn.state), turn.env.crypto);
  if (refusal === undefined) {
    place(turn, record, []);
    persist(turn, [record]);
    return;
  }
  const why = refusal.type === "forbidden" ? refusal.why : "its author is not on the roster";
  note(turn, "warning", "RecordRefused", `${record.key} by ${record.author}: ${why}`);
  unpersist(turn, [slotOf(record)]);
}

/** Judges once more what waited for its author's roster record. */
export function admitPending(turn: Turn): readonly Admitted[] {
  const admitted: Admitted[] = [];
  for (const [slot, { record, from }] of turn.state.pending) {
    if (memberOf(turn.state, record.author) === undefined) continue;
    endPending(turn, slot);
    admitOne(turn, record, from, admitted);
  }
  return admitted;
}

/** Takes back in what our clock has caught up with. */
export function admitAside(turn: Turn): readonly Admitted[] {
  const { state, env } = turn;
  const admitted: Admitted[] = [];
  for (const [slot, record] of state.setAside) {
    if (aheadOf(env.wall, record.version) > state.config.driftMax) continue;
    endAside(turn, slot);
    admitOne(turn, record, undefined, admitted);
  }
  state.retryAsideAt = state.setAside.size > 0 ? env.now + retryAsideEvery : Number.POSITIVE_INFINITY;
  return admitted;
}

function admitOne(turn: Turn, record: MeshRecord, from: LinkId | undefined, admitted: Admitted[]): void {
  const { state, env } = turn;
  if (!keeps(state.identity, record.scope)) return admitGuest(turn, record);
  const slot = slotOf(record);
  const held = state.store.bySlot.get(slot);
  const isHeldFar = held !== undefined && aheadOf(env.wall, held.version) > state.config.driftMax;
  if (held !== undefined && held.version > record.version && !isHeldFar) return;
  if (held !== undefined && held.version === record.version && sameId(held, record)) return;
  if (held === undefined && isCollected(turn, record)) return;
  if (aheadOf(env.wall, record.version) > state.config.driftMax) return setAside(turn, slot, record);
  const refusal = refusalOf(record, trustView(state), env.crypto);
  if (refusal?.type === "unknown-author") return keepPending(turn, slot, record, from);
  if (refusal !== undefined) {
    const what = `${record.key} by ${record.author}: ${refusal.why}`;
    if (refusal.forged && from !== undefined) offend(turn, from, "RecordRefused", what);
    else note(turn, "warning", "RecordRefused", what);
    // What came with a forgery about that log is no better than it: its covers do not count.
    if (refusal.forged) turn.voided.add(logName(record));
    else notTaken(turn, record);
    return;
  }
  if (!hasRoom(state.index, record)) {
    note(turn, "warning", "LaterRecordsFull", `${record.author} has no room left for ${record.key}`);
    return notTaken(turn, record);
  }
  // Written anew by an author whose clock was wrong: what lay aside for the slot is void.
  const aside = state.setAside.get(slot);
  if (aside !== undefined && aside.version > record.version) endAside(turn, slot);
  // The same for what we took while our own clock was as wrong.
  if (isHeldFar) takeOut(turn, held);
  place(turn, record, admitted);
}

function place(turn: Turn, record: MeshRecord, admitted: Admitted[]): void {
  const { state } = turn;
  const outcome = putRecord(state.store, record);
  if (outcome.type === "known" || outcome.type === "older") return;
  if (outcome.type === "equivocation") {
    const { kept, other } = outcome;
    note(
      turn,
      "warning",
      "Equivocation",
      `${record.author} signed two versions ${record.version} of ${record.key}`,
    );
    if (kept !== record || other === record) return;
  }
  observe(state.clock, record.version);
  cameLate(turn, record);
  const change = indexRecord(state.index, record);
  if (change !== undefined) changed(turn, ...change.changed);
  admitted.push({ record, change });
  if (change?.parts.type === "gone") voidLaterRecords(turn, change.parts.node);
}

/**
 * What an author wrote after the end of its membership is void, also where it arrived earlier; and so is all
 * that those wrote whom nobody else has admitted.
 */
function voidLaterRecords(turn: Turn, author: NodeId): void {
  const { state } = turn;
  const end = state.index.goneSince.get(author) ?? 0;
  dropWhere(turn, (record) => record.author === author && endsWith(record, end));
}

function dropWhere(turn: Turn, isVoid: (record: MeshRecord) => boolean): void {
  const { state } = turn;
  const slots: string[] = [];
  const shared = new Set<string>();
  const members = new Set(dropGuests(turn, isVoid));
  for (const [slot, record] of state.store.bySlot) {
    if (!isVoid(record)) continue;
    const parts = partsOf(record.key);
    if (record.kind === "roster") shared.add(record.key);
    if (parts?.type === "member") members.add(parts.node);
    if (parts?.type === "intent") objectVoided(turn, parts.ref);
    dropRecord(state.store, record);
    notTaken(turn, record);
    const change = indexRecord(state.index, record, true);
    if (change !== undefined) changed(turn, ...change.changed);
    slots.push(slot);
  }
  // What others wrote of the same members stands again.
  for (const record of state.store.bySlot.values())
    if (shared.has(record.key)) indexRecord(state.index, record);
  if (slots.length > 0) unpersist(turn, slots);
  const strangers = [...members].filter((id) => memberOf(state, id) === undefined);
  if (strangers.length > 0) dropWhere(turn, ({ author }) => strangers.includes(author));
}

function keepPending(turn: Turn, slot: string, record: MeshRecord, from: LinkId | undefined): void {
  const { state } = turn;
  const { pending } = state;
  const held = pending.get(slot);
  askWho(turn, from, record.author);
  if (held !== undefined && held.record.version >= record.version) return;
  endPending(turn, slot);
  for (const [oldest, { record: dropped }] of pending) {
    if (pending.size < pendingMax && state.pendingBytes + record.frame.length <= waitingBytesMax) break;
    endPending(turn, oldest);
    notTaken(turn, dropped);
  }
  pending.set(slot, { record, from });
  state.pendingBytes += record.frame.length;
}

function endPending({ state }: Turn, slot: string): void {
  state.pendingBytes -= state.pending.get(slot)?.record.frame.length ?? 0;
  state.pending.delete(slot);
}

function endAside({ state }: Turn, slot: string): void {
  state.setAsideBytes -= state.setAside.get(slot)?.frame.length ?? 0;
  state.setAside.delete(slot);
}

/** Takes a record out of the state, not from the disk: another one is about to come for the slot. */
export function takeOut(turn: Turn, record: MeshRecord): void {
  dropRecord(turn.state.store, record);
  const change = indexRecord(turn.state.index, record, true);
  if (change !== undefined) changed(turn, ...change.changed);
}

/** Keeps a record until our clock has caught up with its stamp. */
export function setAside(turn: Turn, slot: string, record: MeshRecord): void {
  const { state, env } = turn;
  const held = state.setAside.get(slot);
  if (held !== undefined && held.version >= record.version) return;
  const full = held === undefined && state.setAside.size >= setAsideMax;
  if (full || state.setAsideBytes + record.frame.length > waitingBytesMax) return notTaken(turn, record);
  endAside(turn, slot);
  state.setAside.set(slot, record);
  state.setAsideBytes += record.frame.length;
  state.retryAsideAt = Math.min(state.retryAsideAt, env.now + retryAsideEvery);
  if (held === undefined) {
    const aheadMs = Math.round(aheadOf(env.wall, record.version));
    note(
      turn,
      "warning",
      "ClockAhead",
      `${record.author} stamped ${record.key} ${aheadMs} ms ahead of our clock; it is kept aside until then`,
    );
  }
}

function sameId(left: MeshRecord, right: MeshRecord): boolean {
  return left.hash.every((byte, at) => byte === right.hash[at]);
}
