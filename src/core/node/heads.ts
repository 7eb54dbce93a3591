import { Reader, Writer } from "../kernel/bytes.ts";
import type { Duration } from "../kernel/time.ts";
import { newestOf, type Log } from "../records/log.ts";
import { isNodeId, recordKinds } from "../records/record.ts";
import { isScope } from "../records/scope.ts";
import type { Cover } from "../sync/contract.ts";
import { coverAndHold, heldUpTo, isIntent } from "./held.ts";
import { note, type Turn } from "./turn.ts";

/**
 * How far we know the logs of others, on our own disk: an old note of it only costs bytes, since what we
 * hold beyond it is sent once more.
 */

export const headsSlot = "meta/heads";
const format = 0x48;
const countMax = 1_000_000;
const prime = 2_147_483_647;
/** After a comparison found nothing missing, the heads are noted with the next chance, not more often. */
const noteAfter: Duration = 10_000;

export function headsMoved({ state, env }: Turn): void {
  state.noteHeadsAt = Math.min(state.noteHeadsAt, env.now + noteAfter);
}

export function noteHeadsIfDue(turn: Turn): void {
  const { state, env } = turn;
  if (env.now < state.noteHeadsAt) return;
  state.noteHeadsAt = Number.POSITIVE_INFINITY;
  const logs: LogHead[] = [];
  for (const log of state.store.logs.values()) {
    const { scope, kind, author } = log;
    if (author === state.identity.id) continue;
    // Of intents only what the disk has: others may rely on what a note says of them.
    const head = isIntent(log) ? heldUpTo(state, author) : log.head;
    if (head > 0) logs.push({ scope, kind, author, head });
  }
  // Peers are in step again and again while nothing is written.
  const mark = logs.reduce((mixed, { head }) => (31 * mixed + (head % prime)) % prime, logs.length);
  if (mark === state.headsNoted) return;
  state.headsNoted = mark;
  const ticket = state.nextTicket++;
  turn.out.push({ type: "persist", ticket, puts: [{ slot: headsSlot, bytes: headsNote(logs) }] });
}

type LogHead = Pick<Log, "scope" | "kind" | "author" | "head">;

export function headsNote(logs: readonly LogHead[]): Uint8Array {
  const writer = new Writer().byte(format).uint(logs.length);
  for (const { scope, kind, author, head } of logs) {
    writer.text(scope).byte(recordKinds.indexOf(kind)).text(author).uint(head);
  }
  return writer.done();
}

export const isHeadsNote = (bytes: Uint8Array): boolean => bytes[0] === format;

/** Takes in a stored note of heads; false when the bytes are something else. */
export function readHeads(turn: Turn, bytes: Uint8Array): boolean {
  const restored = restoreHeads(bytes, (log) => coverAndHold(turn, log));
  if (restored === "unreadable")
    note(turn, "warning", "HeadsUnreadable", "peers will send more than they need to, once");
  return restored !== undefined;
}

/** Gives what a stored note covers to `take`; undefined when the bytes are something else. */
export function restoreHeads(
  bytes: Uint8Array,
  take: (log: Cover) => void,
): "restored" | "unreadable" | undefined {
  if (!isHeadsNote(bytes)) return undefined;
  const reader = new Reader(bytes.subarray(1));
  const count = reader.uint();
  if (count > countMax) reader.failed = true;
  for (let left = count; left > 0 && !reader.failed; left--) {
    const scope = reader.text(128);
    const kind = recordKinds[reader.byte()];
    const author = reader.text(20);
    const head = reader.uint();
    const whole = !reader.failed && kind !== undefined && isScope(scope) && isNodeId(author);
    if (whole) take({ scope, kind, author, from: 0, to: head });
  }
  return reader.failed ? "unreadable" : "restored";
}

/** Our own logs are known whole, now that our disk, or a peer in step with us, gave us all of them. */
export function coverOwnLogs(turn: Turn): void {
  const { state } = turn;
  state.ownLogsWhole = true;
  for (const log of state.store.logs.values()) {
    if (log.author === state.identity.id) coverAndHold(turn, { ...log, from: 0, to: newestOf(log) });
  }
}
