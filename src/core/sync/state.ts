import type { Version } from "../kernel/hybrid-clock.ts";
import type { Bucket } from "../kernel/bucket.ts";
import type { Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import { logName, type Log } from "../records/log.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";
import type { Place, Scope } from "../records/scope.ts";
import type { Cover, LogRef, SyncConfig, SyncEffect, SyncEnv } from "./contract.ts";
import { encodeFrame, logsMax, type LogAt, type SyncFrame } from "./frames.ts";
import type { Doubt } from "./how-far.ts";
import type { Late } from "./late.ts";
import type { Repair, Sketches } from "./repair.ts";
import type { Symbols } from "./sketch.ts";
import type { Onward } from "./spread.ts";

/** What the parts of the sync machine share. */

export type Peer = {
  readonly id: NodeId;
  readonly place: Place;
  /** The scopes that both ends keep. */
  readonly shared: readonly Scope[];
  /** We are the end that starts comparisons. */
  readonly asks: boolean;
  /** What is new is pushed here; otherwise it is only announced. */
  eager: boolean;
  compareAt: Instant;
  /** A comparison has begun on this link: before, it brings whatever others wrote, and nothing is pushed of it. */
  compared: boolean;
  readonly upAt: Instant;
  /** The last comparison found a difference, and what closes it is under way. */
  differs: boolean;
  /** Comparisons in a row after which the two were not in step. */
  rounds: number;
  inStep: boolean;
  reported: boolean;
  sent: number;
  received: number;
  /** What we asked for, from where on, until the answer has ended. */
  readonly asked: Map<string, LogAt>;
  /** Of so many logs it told news that we still expect: see late.ts. */
  told: number;
  /** News that we owe the peer an announcement of. */
  readonly owed: Map<string, LogAt>;
  announceAt: Instant;
  /** What the peer asked for and was not sent yet, from where on, and when we go on. */
  readonly owing: Map<string, LogAt>;
  answerAt: Instant;
  /** Questions of the peer that wait for a budget, oldest first, and when the next one is answered. */
  readonly questions: SyncFrame[];
  questionsAt: Instant;
  /** What the peer may still cost us, in work (budget.ts). */
  readonly work: Bucket;
  /** Our hash and the peer's of each scope that differed at the last comparison. */
  readonly met: Map<Scope, string>;
  /** A search for the difference that we lead, and how often it began again because a set moved. */
  repair: Repair | undefined;
  restarts: number;
  /** After a search that found no end, none before. */
  repairAfter: Instant;
  /** What we showed of our sketch, for a search that the peer leads. */
  shown: { readonly scope: Scope; readonly hash: Uint8Array; readonly symbols: Symbols } | undefined;
};

export type State = {
  readonly config: SyncConfig;
  readonly peers: Map<LinkId, Peer>;
  readonly sketches: Sketches;
  readonly late: Late;
  onward: Onward;
  /** Logs of which we hold more than we know to be all, by name: see how-far.ts. */
  readonly doubts: Map<string, Doubt>;
};
export type Step = {
  readonly state: State;
  readonly env: SyncEnv;
  readonly out: SyncEffect[];
  /** Bytes of the frames in `out`, by link. */
  readonly sent: Map<LinkId, number>;
};

export function send(step: Step, link: LinkId, frame: SyncFrame): void {
  sendBytes(step, link, encodeFrame(frame, step.env.crypto));
}

/** The same frame may go out on many links. */
export function sendBytes({ out, sent }: Step, link: LinkId, bytes: Uint8Array): void {
  sent.set(link, (sent.get(link) ?? 0) + bytes.length);
  out.push({ type: "send", link, bytes });
}

const confirmAfter = 20;

export function ask(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[], graft = false): void {
  const room = Math.max(0, logsMax - peer.asked.size);
  const open = logs.filter((log) => !peer.asked.has(logName(log))).slice(0, room);
  if (open.length === 0) return;
  for (const log of open) peer.asked.set(logName(log), log);
  send(step, link, { type: "wants", graft, logs: open });
}

/** All logs that we hold something of in a scope. */
export function logsOf({ env }: Step, scope: Scope): readonly Log[] {
  return env.store.logsByScope.get(scope) ?? none;
}
const none: readonly Log[] = [];

export const refOf = ({ scope, kind, author }: LogRef): LogRef => ({ scope, kind, author });

export type Part = { readonly records: readonly MeshRecord[]; readonly covers: readonly Cover[] };

export function sendRecords(
  step: Step,
  link: LinkId,
  peer: Peer,
  mode: Extract<SyncFrame, { type: "records" }>["mode"],
  { records, covers }: Part,
): void {
  peer.sent += records.length;
  send(step, link, { type: "records", mode, records, covers });
}

/**
 * Looks once more whether all is the same now: soon, then later each time. Where everybody has news, two nodes
 * differ at any moment by what is on its way to both, and to compare them finds only that, and sends it again.
 */
export function confirm({ env }: Step, peer: Peer): void {
  if (!peer.asks || !peer.differs) return;
  peer.differs = false;
  peer.compareAt = Math.min(peer.compareAt, env.now + confirmAfter * 4 ** peer.rounds);
  peer.rounds++;
}

export const isShared = ({ shared }: Peer, scope: Scope): boolean => shared.includes(scope);

/** How far we know a log without a gap; 0 for one we never heard of. */
export function headOf({ env }: Step, log: LogRef): Version {
  return env.store.logs.get(logName(log))?.head ?? 0;
}

/** Whether the store has this record, or a newer one in its place. */
export function isKnown({ env }: Step, record: MeshRecord, slot: string): boolean {
  const held = env.store.bySlot.get(slot);
  return held !== undefined && held.version >= record.version;
}

/** Bytes of the records' frames. */
export const lengthOf = (records: readonly MeshRecord[]): number =>
  records.reduce((sum, { frame }) => sum + frame.length, 0);
