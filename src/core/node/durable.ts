import { partsOf } from "../records/keys.ts";
import { slotOf, type MeshRecord } from "../records/record.ts";
import { storedBytes } from "../records/seal.ts";
import { guestRecord } from "./guest-slots.ts";
import type { NodeState } from "./state.ts";
import { note, type Turn } from "./turn.ts";

/** Records on their way to the disk. What a full disk refused is written again when there is room. */

const storeAgainEvery = 2_000;

/** Asks for these records to be written; returns the ticket of the answer. */
export function persist(turn: Turn, records: readonly MeshRecord[]): number {
  return put(
    turn,
    records.map((record) => ({ slot: slotOf(record), bytes: bytesOf(turn, record) })),
  );
}

/** Asks for these slots to be forgotten. */
export function unpersist(turn: Turn, slots: readonly string[]): void {
  put(
    turn,
    slots.map((slot) => ({ slot, bytes: undefined })),
  );
}

export function persisted(turn: Turn, ticket: number): void {
  turn.state.storing.delete(ticket);
}

export function persistFailed(turn: Turn, ticket: number, detail: string): void {
  const { state, env } = turn;
  const slots = state.storing.get(ticket) ?? [];
  state.storing.delete(ticket);
  if (slots.length === 0) return;
  if (state.unstored.size === 0) note(turn, "error", "StorageFailed", `${detail}; it is tried again`);
  for (const slot of slots) state.unstored.add(slot);
  state.storeAgainAt = Math.min(state.storeAgainAt, env.now + storeAgainEvery);
}

/** Writes once more what the disk refused, as it is now. */
export function storeAgainIfDue(turn: Turn): void {
  const { state, env } = turn;
  if (env.now < state.storeAgainAt) return;
  const slots = [...state.unstored];
  state.unstored.clear();
  state.storeAgainAt = Number.POSITIVE_INFINITY;
  state.storingAgain = put(
    turn,
    slots.map((slot) => {
      const record = state.store.bySlot.get(slot) ?? guestRecord(state, slot);
      return { slot, bytes: record === undefined ? undefined : bytesOf(turn, record) };
    }),
  );
}

/** Every ticket up to this one is stored; nothing counts while what the disk once refused is not. */
export function storedUpTo({ storing, storingAgain, unstored, nextTicket }: NodeState): number {
  if (unstored.size > 0 || storing.has(storingAgain)) return -1;
  // Tickets are given and answered in order: the first one is the oldest under way.
  const oldest = storing.keys().next().value ?? nextTicket;
  return oldest - 1;
}

/** What a key of a later version allows is judged once a version that knows it reads the disk. */
const bytesOf = ({ env }: Turn, record: MeshRecord): Uint8Array =>
  storedBytes(record, env.crypto, partsOf(record.key) !== undefined);

function put(turn: Turn, puts: readonly { slot: string; bytes: Uint8Array | undefined }[]): number {
  const ticket = turn.state.nextTicket++;
  turn.state.storing.set(
    ticket,
    puts.map(({ slot }) => slot),
  );
  turn.out.push({ type: "persist", ticket, puts });
  return ticket;
}
