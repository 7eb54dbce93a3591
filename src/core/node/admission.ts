import { aheadOf, observe } from "../kernel/hybrid-clock.ts";
import { isLeaseRow } from "../leases/rows.ts";
import type { LinkId } from "../membership/contract.ts";
import { openStored } from "../records/seal.ts";
import { slotOf, type MeshRecord, type NodeId } from "../records/record.ts";
import { keeps } from "../records/scope.ts";
import { dropRecord, putRecord } from "../records/store.ts";
import { refusalOf, type TrustView } from "../trust/authorise.ts";
import { readHeads } from "./heads.ts";
import { cameLate, notTaken } from "./held.ts";
import { unpersist } from "./durable.ts";
import { indexRecord, isMember, type IndexChange } from "./records-index.ts";
import { isCollected } from "./tombstones.ts";
import { changed, note, type Turn } from "./turn.ts";

/**
 * Records on their way into the state: opened, checked against time, roster and signature, stored,
 * indexed. What cannot be judged yet is kept, bounded, and judged again when it can.
 */

const pendingMax = 10_000;
const setAsideMax = 10_000;
const retryAsideEvery = 5_000;

export type Admitted = { readonly record: MeshRecord; readonly change: IndexChange | undefined };

/** Those of these records that are new here, in the order given. */
export function admitRecords(
  turn: Turn,
  records: readonly MeshRecord[],
  from: LinkId | undefined,
): readonly Admitted[] {
  const admitted: Admitted[] = [];
  for (const record of records) admitOne(turn, record, from, admitted);
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
  for (const bytes of frames) {
    if (readHeads(turn, bytes)) continue;
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
    place(turn, opened.value, []);
  }
}

/** Judges once more what waited for its author's roster record. */
export function admitPending(turn: Turn): readonly Admitted[] {
  const admitted: Admitted[] = [];
  for (const [slot, { record, from }] of turn.state.pending) {
    if (!isMember(turn.state.index, record.author)) continue;
    turn.state.pending.delete(slot);
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
    state.setAside.delete(slot);
    admitOne(turn, record, undefined, admitted);
  }
  state.retryAsideAt = state.setAside.size > 0 ? env.now + retryAsideEvery : Number.POSITIVE_INFINITY;
  return admitted;
}

export function trustView(turn: Turn): TrustView {
  const { index, identity } = turn.state;
  return {
    root: { id: identity.mesh.id, publicKey: identity.mesh.rootKey },
    member: (id) => index.memberById.get(id)?.body,
    goneSince: (id) => index.goneSince.get(id),
  };
}

function admitOne(turn: Turn, record: MeshRecord, from: LinkId | undefined, admitted: Admitted[]): void {
  const { state, env } = turn;
  if (!keeps(state.identity, record.scope)) return;
  const slot = slotOf(record);
  const held = state.store.bySlot.get(slot);
  if (held !== undefined && held.version > record.version) return;
  if (held !== undefined && held.version === record.version && sameId(held, record)) return;
  if (held === undefined && isCollected(turn, record)) return;
  if (aheadOf(env.wall, record.version) > state.config.driftMax) return setAside(turn, slot, record);
  const refusal = refusalOf(record, trustView(turn), env.crypto);
  if (refusal?.type === "unknown-author") return keepPending(turn, slot, record, from);
  if (refusal !== undefined) {
    note(turn, "warning", "RecordRefused", `${record.key} by ${record.author}: ${refusal.why}`);
    notTaken(turn, record);
    return;
  }
  // Written anew by an author whose clock was wrong: what lay aside for the slot is void.
  const aside = state.setAside.get(slot);
  if (aside !== undefined && aside.version > record.version) state.setAside.delete(slot);
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

/** What an author wrote after the end of its membership is void, also where it arrived earlier. */
function voidLaterRecords(turn: Turn, author: NodeId): void {
  const { state } = turn;
  const end = state.index.goneSince.get(author) ?? 0;
  const slots: string[] = [];
  const shared = new Set<string>();
  for (const [slot, record] of state.store.bySlot) {
    if (record.author !== author || record.version <= end) continue;
    if (record.kind === "roster") shared.add(record.key);
    dropRecord(state.store, record);
    const change = indexRecord(state.index, record, true);
    if (change !== undefined) changed(turn, ...change.changed);
    slots.push(slot);
  }
  // What others wrote of the same members stands again.
  for (const record of state.store.bySlot.values())
    if (shared.has(record.key)) indexRecord(state.index, record);
  if (slots.length > 0) unpersist(turn, slots);
}

function keepPending(turn: Turn, slot: string, record: MeshRecord, from: LinkId | undefined): void {
  const { pending } = turn.state;
  if (!pending.has(slot) && pending.size >= pendingMax) {
    const oldest = pending.entries().next().value;
    if (oldest !== undefined) {
      pending.delete(oldest[0]);
      notTaken(turn, oldest[1].record);
    }
  }
  const held = pending.get(slot);
  if (held === undefined || held.record.version < record.version) pending.set(slot, { record, from });
}

function setAside(turn: Turn, slot: string, record: MeshRecord): void {
  const { state, env } = turn;
  const held = state.setAside.get(slot);
  if (held !== undefined && held.version >= record.version) return;
  if (held === undefined && state.setAside.size >= setAsideMax) return notTaken(turn, record);
  state.setAside.set(slot, record);
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
