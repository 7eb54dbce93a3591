import { equalBytes, hex } from "../kernel/bytes.ts";
import { between } from "../kernel/random.ts";
import type { Duration } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import { logName, recordsAfter, type Log } from "../records/log.ts";
import { isMetered, paceOf } from "../records/link-class.ts";
import { recordKinds, type MeshRecord, type RecordKind } from "../records/record.ts";
import type { Scope } from "../records/scope.ts";
import { scopeDigest } from "../records/store.ts";
import type { Cover } from "./contract.ts";
import {
  logsMax,
  recordsFrameBytes,
  windowBytes,
  type LogAt,
  type ScopeHeads,
  type SyncFrame,
} from "./frames.ts";
import { bytesPerUnit, roomOf, work, worksAt } from "./budget.ts";
import { askHowFar } from "./how-far.ts";
import { beginRepair } from "./repair.ts";
import { lengthMax } from "./sketch.ts";
import {
  ask,
  confirm,
  headOf,
  isShared,
  logsOf,
  refOf,
  send,
  sendRecords,
  type Part,
  type Peer,
  type Step,
} from "./state.ts";

/**
 * Finding and closing the difference of two nodes: hashes first, then how far each knows every log, then
 * only what is missing, both ways in one exchange, most urgent class first.
 */

/** So many links are compared at full pace; more of them, in step, share what these would cost. */
const linksAtFullPace = 4;
/** Up to so many logs are listed (17 to 19 bytes each) without trying a sketch (13 bytes a symbol). */
const listedLogsMax = 200;
const symbolsPerLog = 1.3;
/** A search over a metered link ends after so many symbols, of 13 bytes each, with what it found. */
const meteredSymbolsMax = 8_192;
/** A search beside lists of logs that do not help: what they miss are few. */
const stuckSymbolsMax = 512;
const workOfAnswer = 100;
/** The hash of a scope without records. */
const emptyHash = new Uint8Array(16);

export function compare(step: Step, link: LinkId, peer: Peer): void {
  const { env } = step;
  if (roomOf(step, link, "control") <= 0) {
    peer.compareAt = Math.max(env.now + 1, env.budget.opensAt(link, "control"));
    return;
  }
  peer.compared = true;
  peer.restarts = 0;
  peer.compareAt = env.now + regularly(step, peer);
  if (peer.inStep) peer.rounds = 0;
  peer.asked.clear();
  const scopes = filledScopes(step, peer).map((scope) => ({
    scope,
    hash: scopeDigest(env.store, scope).hash,
  }));
  send(step, link, { type: "compare", scopes });
}

/** Until the next comparison of a link, with jitter. */
function regularly({ env, state }: Step, peer: Peer): Duration {
  return between(env.random, 0.75, 1.25) * paceOf[env.linkClass(peer.id)] * state.config.compareEvery;
}

export function compareArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  { scopes }: Extract<SyncFrame, { type: "compare" }>,
): void {
  const { store } = step.env;
  peer.compared = true;
  peer.restarts = 0;
  const answer: ScopeHeads[] = [];
  const hashByScope = new Map(scopes.map(({ scope, hash }) => [scope, hash] as const));
  // What only one end has something in is not listed by the other.
  for (const scope of new Set([...hashByScope.keys(), ...filledScopes(step, peer)])) {
    if (!isShared(peer, scope)) continue;
    const hash = hashByScope.get(scope) ?? emptyHash;
    const { hash: ours, count } = scopeDigest(store, scope);
    if (equalBytes(ours, hash)) answer.push({ scope, hash: ours, state: "equal", logs: [] });
    else answer.push(shown(step, scope, ours, count === 0 || equalBytes(hash, emptyHash)));
  }
  send(step, link, { type: "heads", scopes: answer });
  if (answer.every(({ state }) => state === "equal")) nowInStep(step, link, peer);
  else peer.inStep = false;
}

/** The scopes that both keep and we hold something of. */
function filledScopes(step: Step, peer: Peer): Scope[] {
  return peer.shared.filter((scope) => scopeDigest(step.env.store, scope).count > 0);
}

/** How far we know the logs of a scope; for very many of them a sketch is tried first, unless a side is empty. */
function shown(step: Step, scope: Scope, hash: Uint8Array, listed: boolean): ScopeHeads {
  const logs = headsOf(step, scope);
  if (listed || logs.length <= listedLogsMax) return { scope, hash, state: "heads", logs };
  return { scope, hash, state: "sketch", logs: [] };
}

export function headsAsked(step: Step, link: LinkId, peer: Peer, scope: Scope): void {
  if (!isShared(peer, scope)) return;
  const { hash } = scopeDigest(step.env.store, scope);
  send(step, link, { type: "heads", scopes: [shown(step, scope, hash, true)] });
}

export function headsArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  { scopes }: Extract<SyncFrame, { type: "heads" }>,
): void {
  const { store } = step.env;
  // A scope that was equal when we asked, and is not now, has news: pushed or announced to the peer as to all.
  const differing = scopes.filter(
    ({ scope, hash, state }) =>
      state !== "equal" && isShared(peer, scope) && !equalBytes(scopeDigest(store, scope).hash, hash),
  );
  if (differing.length === 0) return nowInStep(step, link, peer);
  peer.inStep = false;
  peer.differs = true;
  const wants: LogAt[] = [];
  const gives: LogAt[] = [];
  for (const { scope, hash, state, logs } of differing) {
    if (state === "sketch") {
      beginRepair(step, link, peer, scope, Math.ceil(symbolsPerLog * headsOf(step, scope).length), true);
      continue;
    }
    const theirs = new Map(logs.map((log) => [logName(log), log.at] as const));
    const lacking = logs.filter((log) => log.scope === scope && headOf(step, log) < log.at);
    const giving = logsOf(step, scope).filter((log) => log.head > (theirs.get(logName(log)) ?? 0));
    wants.push(...lacking.map((log) => ({ ...log, at: headOf(step, log) })));
    gives.push(...giving.map((log) => ({ ...refOf(log), at: theirs.get(logName(log)) ?? 0 })));
    const stuck = metAgain(step, peer, scope, hash) && peer.owing.size === 0;
    if (lacking.length + giving.length === 0) {
      const metered = isMetered(step.env.linkClass(peer.id));
      beginRepair(step, link, peer, scope, metered ? meteredSymbolsMax : lengthMax);
    } else if (stuck) beginRepair(step, link, peer, scope, stuckSymbolsMax);
  }
  const pulls = gives.length > 0 && give(step, link, peer, gives.slice(0, logsMax));
  ask(step, link, peer, wants);
  if (wants.length === 0 && !pulls && peer.repair === undefined) confirm(step, peer);
}

/**
 * Whether these two states met at the last comparison: what logs say did not join them. A log that only one end
 * takes as known, its author being unknown at the other, is listed for ever.
 */
function metAgain({ env }: Step, peer: Peer, scope: Scope, theirs: Uint8Array): boolean {
  const states = `${hex(scopeDigest(env.store, scope).hash)} ${hex(theirs)}`;
  const again = peer.met.get(scope) === states;
  peer.met.set(scope, states);
  return again;
}

/** The peer has news of these logs: asked for where we are behind. */
export function offerArrived(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[]): void {
  const behind = logs.filter((log) => isShared(peer, log.scope) && headOf(step, log) < log.at);
  ask(
    step,
    link,
    peer,
    behind.map((log) => ({ ...log, at: headOf(step, log) })),
  );
}

/** What counts of these logs above their stamps is owed to the peer from now on. */
export function wantsArrived(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[]): void {
  for (const log of logs) {
    const name = logName(log);
    if (!isShared(peer, log.scope)) continue;
    if (peer.owing.size < logsMax || peer.owing.has(name)) peer.owing.set(name, log);
  }
  if (peer.answerAt === Number.POSITIVE_INFINITY) peer.answerAt = step.env.now;
  sendOwed(step, link, peer);
}

/**
 * One window of what the peer asked for, or as much of it as the budget has room for; the rest is read from
 * the store when there is room again, so what was replaced meanwhile never crosses.
 */
export function sendOwed(step: Step, link: LinkId, peer: Peer): void {
  const { env } = step;
  if (env.now < peer.answerAt) return;
  const due = worksAt(step, peer.work);
  if (due > env.now) {
    peer.answerAt = due;
    return;
  }
  const { parts, rest, starved, bytes } = collect(step, link, [...peer.owing.values()]);
  work(step, peer.work, workOfAnswer + bytes / bytesPerUnit);
  peer.owing.clear();
  if (starved !== undefined) {
    for (const part of parts) sendRecords(step, link, peer, "part", part);
    for (const log of rest) peer.owing.set(logName(log), log);
    peer.answerAt = Math.max(env.now + 1, env.budget.opensAt(link, starved));
    return;
  }
  peer.answerAt = Number.POSITIVE_INFINITY;
  const last = parts.pop() ?? { records: [], covers: [] };
  for (const part of parts) sendRecords(step, link, peer, "part", part);
  sendRecords(step, link, peer, rest.length > 0 ? "cut" : "end", last);
  if (rest.length === 0) confirm(step, peer);
}

/** The answer to our `wants` has ended, or goes on after we ask on. */
export function answerEnded(step: Step, link: LinkId, peer: Peer, cut: boolean): void {
  if (!cut) {
    peer.asked.clear();
    return confirm(step, peer);
  }
  send(step, link, { type: "wants", graft: false, logs: [...peer.asked.values()] });
}

/** What was covered needs not be asked for again. */
export function noteCovers(peer: Peer, covers: readonly Cover[]): void {
  for (const cover of covers) {
    const name = logName(cover);
    const asked = peer.asked.get(name);
    if (asked !== undefined && asked.at < cover.to) peer.asked.set(name, { ...asked, at: cover.to });
  }
}

/**
 * Sends what the peer lacks, one window of it at once; the rest is offered.
 *
 * @returns whether there is a rest, which the peer is going to ask for.
 */
function give(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[]): boolean {
  // What it asked for before is on its way.
  const open = logs.filter((log) => !peer.owing.has(logName(log)));
  const { parts, rest } = collect(step, link, open);
  for (const part of parts) sendRecords(step, link, peer, "part", part);
  const offered = rest.slice(0, logsMax).map((log) => ({ ...log, at: headOf(step, log) }));
  if (offered.length > 0) send(step, link, { type: "offer", logs: offered });
  return offered.length > 0;
}

type Collected = {
  readonly parts: Part[];
  readonly bytes: number;
  /** What did not fit any more, from where on. */
  readonly rest: readonly LogAt[];
  /** The class that the link's budget had no room for; undefined when it was the window that was full. */
  readonly starved: RecordKind | undefined;
};

/** A window of the logs' records as frames, most urgent class first, each with what it covers. */
function collect(step: Step, link: LinkId, logs: readonly LogAt[]): Collected {
  const parts: Part[] = [];
  const ordered = recordKinds.flatMap((kind) => logs.filter((log) => log.kind === kind));
  let limit = 0;
  let limitKind: RecordKind | undefined;
  let records: MeshRecord[] = [];
  let covers: Cover[] = [];
  let frameBytes = 0;
  let bytes = 0;
  const close = (): void => {
    if (records.length + covers.length > 0) parts.push({ records, covers });
    [records, covers, frameBytes] = [[], [], 0];
  };
  for (const [place, ref] of ordered.entries()) {
    const log = step.env.store.logs.get(logName(ref));
    if (log === undefined) continue;
    if (ref.kind !== limitKind) [limit, limitKind] = [roomOf(step, link, ref.kind), ref.kind];
    let from = ref.at;
    let reached = ref.at;
    for (const record of recordsAfter(log, ref.at)) {
      if (bytes >= windowBytes || bytes >= limit) {
        coverUpTo(covers, log, from, Math.min(reached, log.head));
        close();
        const rest = [{ ...refOf(log), at: reached }, ...ordered.slice(place + 1)];
        return { parts, bytes, rest, starved: bytes >= windowBytes ? undefined : ref.kind };
      }
      if (frameBytes + record.frame.length > recordsFrameBytes && records.length > 0) {
        coverUpTo(covers, log, from, Math.min(reached, log.head));
        from = Math.max(from, Math.min(reached, log.head));
        close();
      }
      records.push(record);
      reached = record.version;
      frameBytes += record.frame.length;
      bytes += record.frame.length;
    }
    coverUpTo(covers, log, from, log.head);
  }
  close();
  return { parts, bytes, rest: [], starved: undefined };
}

function coverUpTo(covers: Cover[], log: Log, from: number, to: number): void {
  if (to > from) covers.push({ ...refOf(log), from, to });
}

function headsOf(step: Step, scope: Scope): LogAt[] {
  return logsOf(step, scope)
    .filter(({ head }) => head > 0)
    .map((log) => ({ ...refOf(log), at: log.head }))
    .slice(0, logsMax);
}

function nowInStep(step: Step, link: LinkId, peer: Peer): void {
  askHowFar(step, link, peer);
  const others = step.state.peers.size / linksAtFullPace;
  if (peer.asks && others > 1) peer.compareAt = step.env.now + others * regularly(step, peer);
  peer.inStep = true;
  peer.differs = false;
  peer.rounds = 0;
  peer.repair = undefined;
  if (peer.reported && peer.sent + peer.received === 0) return;
  peer.reported = true;
  step.out.push({ type: "in-step", link, sent: peer.sent, received: peer.received });
  peer.sent = 0;
  peer.received = 0;
}
