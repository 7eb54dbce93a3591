import { aheadOf, type Version } from "../kernel/hybrid-clock.ts";
import { logName } from "../records/log.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";
import { cover, logOf } from "../records/store.ts";
import type { Cover } from "../sync/contract.ts";
import { storedUpTo } from "./durable.ts";
import type { Progress } from "./progress.ts";
import type { NodeState } from "./state.ts";
import type { Turn } from "./turn.ts";

/**
 * How far each author's intents are on our own disk: what this node may promise to whoever asks whether a
 * write would survive here.
 *
 * A log's head says what we hold in memory. What it covers is held for good once everything that was
 * handed to the disk up to that moment is stored.
 */

type LogOf = Pick<MeshRecord, "scope" | "kind" | "author">;

/**
 * Notes in the store what a peer, or our own disk, gave us of a log; unless that is more than its author can have
 * written by now. Records from there are kept aside and written anew, and so would a head be that leads there.
 */
export function coverAndHold({ state, env }: Turn, log: Cover): void {
  const ahead = log.author !== state.identity.id && aheadOf(env.wall, log.to) > state.config.driftMax;
  if (ahead) return;
  cover(state.store, log, log.from, log.to);
  headMoved(state, log);
}

function headMoved(state: NodeState, log: LogOf): void {
  if (isIntent(log)) state.held.moved.add(log.author);
}

/** A record came that the head covers already: from now until it is on disk, we do not hold the log so far. */
export function cameLate({ state }: Turn, record: MeshRecord): void {
  if (!isIntent(record) || record.version > logOf(state.store, record).head) return;
  const progress = state.held.byAuthor.get(record.author);
  if (progress !== undefined) {
    progress.at = Math.min(progress.at, record.version - 1);
    progress.next = undefined;
    progress.last = undefined;
  }
  state.held.moved.add(record.author);
}

/** The log is known less far than we thought. */
export function headLowered({ state }: Turn, log: LogOf & { readonly head: Version }): void {
  if (!isIntent(log)) return;
  const progress = state.held.byAuthor.get(log.author);
  if (progress === undefined) return;
  progress.at = Math.min(progress.at, log.head);
  progress.next = undefined;
  progress.last = undefined;
  state.held.moved.add(log.author);
}

/** A record came and was not taken, though heads will soon cover it. */
export function notTaken({ state }: Turn, record: MeshRecord): void {
  if (!isIntent(record)) return;
  const { missed } = state.held;
  missed.set(record.author, Math.min(record.version, missed.get(record.author) ?? record.version));
}

/** The end of a turn: what it covered waits for what it, and the turns before it, handed to the disk. */
export function tendHeld({ state }: Turn): void {
  const { held } = state;
  for (const author of held.moved) {
    const version = state.store.logs.get(intentsOf(author))?.head ?? 0;
    const progress = held.byAuthor.get(author) ?? { at: 0, next: undefined, last: undefined };
    held.byAuthor.set(author, progress);
    const step = { version, ticket: state.nextTicket - 1 };
    if (progress.next === undefined) progress.next = step;
    else progress.last = step;
    held.waiting.add(author);
  }
  held.moved.clear();
  if (held.waiting.size === 0) return;
  const stored = storedUpTo(state);
  for (const author of held.waiting) {
    const progress = held.byAuthor.get(author);
    if (progress !== undefined) advance(progress, stored);
    if (progress?.next === undefined) held.waiting.delete(author);
  }
}

/** The stamp up to which every intent of the author that still counts is on our disk. */
export function heldUpTo(state: NodeState, author: NodeId): Version {
  let version = state.held.byAuthor.get(author)?.at ?? 0;
  const without = (missing: Version): void => {
    version = Math.min(version, missing - 1);
  };
  without(state.held.missed.get(author) ?? Number.POSITIVE_INFINITY);
  // What a later authorship or a later hour may let in is in memory only.
  for (const { record } of state.pending.values()) {
    if (record.author === author && isIntent(record)) without(record.version);
  }
  for (const record of state.setAside.values()) {
    if (record.author === author && isIntent(record)) without(record.version);
  }
  const end = state.index.goneSince.get(author) ?? Number.POSITIVE_INFINITY;
  return Math.max(0, Math.min(version, end));
}

function advance(progress: Progress, stored: number): void {
  while (progress.next !== undefined && progress.next.ticket <= stored) {
    progress.at = Math.max(progress.at, progress.next.version);
    progress.next = progress.last;
    progress.last = undefined;
  }
}

export const isIntent = ({ scope, kind }: Pick<LogOf, "scope" | "kind">): boolean =>
  scope === "mesh" && kind === "intent";

const intentsOf = (author: NodeId): string => logName({ scope: "mesh", kind: "intent", author });
