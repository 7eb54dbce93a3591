import { equalBytes } from "../kernel/bytes.ts";
import { between } from "../kernel/random.ts";
import type { LinkId } from "../membership/contract.ts";
import { logName, recordsAfter, type Log } from "../records/log.ts";
import { paceOf } from "../records/link-class.ts";
import { recordKinds, type MeshRecord } from "../records/record.ts";
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
import { beginRepair } from "./repair.ts";
import {
  confirm,
  headOf,
  isShared,
  refOf,
  send,
  sendRecords,
  sharedScopes,
  type Part,
  type Peer,
  type Step,
} from "./state.ts";

/**
 * Finding and closing the difference of two nodes: hashes first, then how far each knows every log, then
 * only what is missing, both ways in one exchange, most urgent class first.
 */

/** Comparisons in a row while two nodes are not in step. */
const roundsMax = 4;
/** Up to so many logs are listed (17 to 19 bytes each) without trying a sketch (13 bytes a symbol). */
const listedLogsMax = 200;
const symbolsPerLog = 1.3;
/** The hash of a scope without records. */
const emptyHash = new Uint8Array(16);

export const freshRounds = roundsMax;

export function compare(step: Step, link: LinkId, peer: Peer): void {
  const { env, state } = step;
  peer.compareAt =
    env.now + between(env.random, 0.75, 1.25) * paceOf[env.linkClass(peer.id)] * state.config.compareEvery;
  if (peer.inStep) peer.rounds = roundsMax;
  peer.asked.clear();
  const scopes = filledScopes(step, peer).map((scope) => ({
    scope,
    hash: scopeDigest(env.store, scope).hash,
  }));
  send(step, link, { type: "compare", scopes });
}

export function compareArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  { scopes }: Extract<SyncFrame, { type: "compare" }>,
): void {
  const { store } = step.env;
  const answer: ScopeHeads[] = [];
  const hashByScope = new Map(scopes.map(({ scope, hash }) => [scope, hash] as const));
  // What only one end has something in is not listed by the other.
  for (const scope of new Set([...hashByScope.keys(), ...filledScopes(step, peer)])) {
    if (!isShared(step, peer, scope)) continue;
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
  return sharedScopes(step, peer).filter((scope) => scopeDigest(step.env.store, scope).count > 0);
}

/** How far we know the logs of a scope; for very many of them a sketch is tried first, unless a side is empty. */
function shown(step: Step, scope: Scope, hash: Uint8Array, listed: boolean): ScopeHeads {
  const logs = headsOf(step, scope);
  if (listed || logs.length <= listedLogsMax) return { scope, hash, state: "heads", logs };
  return { scope, hash, state: "sketch", logs: [] };
}

export function headsAsked(step: Step, link: LinkId, peer: Peer, scope: Scope): void {
  if (!isShared(step, peer, scope)) return;
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
  const differing = scopes.filter(
    ({ scope, hash }) => isShared(step, peer, scope) && !equalBytes(scopeDigest(store, scope).hash, hash),
  );
  if (differing.length === 0) return nowInStep(step, link, peer);
  peer.inStep = false;
  const wants: LogAt[] = [];
  const gives: LogAt[] = [];
  for (const { scope, state, logs } of differing) {
    if (state === "sketch") {
      beginRepair(step, link, peer, scope, Math.ceil(symbolsPerLog * headsOf(step, scope).length));
      continue;
    }
    const theirs = new Map(logs.map((log) => [logName(log), log.at] as const));
    const lacking = logs.filter((log) => log.scope === scope && headOf(step, log) < log.at);
    const giving = logsOf(step, scope).filter((log) => log.head > (theirs.get(logName(log)) ?? 0));
    wants.push(...lacking.map((log) => ({ ...log, at: headOf(step, log) })));
    gives.push(...giving.map((log) => ({ ...refOf(log), at: theirs.get(logName(log)) ?? 0 })));
    if (lacking.length + giving.length === 0) beginRepair(step, link, peer, scope);
  }
  const pulls = gives.length > 0 && give(step, link, peer, gives);
  ask(step, link, peer, wants);
  if (wants.length === 0 && !pulls && peer.repair === undefined) confirm(step, peer);
}

/** The peer has news of these logs: asked for where we are behind. */
export function offerArrived(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[]): void {
  const behind = logs.filter((log) => isShared(step, peer, log.scope) && headOf(step, log) < log.at);
  ask(
    step,
    link,
    peer,
    behind.map((log) => ({ ...log, at: headOf(step, log) })),
  );
}

/** One window of what counts of these logs above their stamps. */
export function answerWants(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[]): void {
  const { parts, cut } = collect(
    step,
    logs.filter((log) => isShared(step, peer, log.scope)),
  );
  const last = parts.pop() ?? { records: [], covers: [] };
  for (const part of parts) sendRecords(step, link, peer, "part", part);
  sendRecords(step, link, peer, cut ? "cut" : "end", last);
  if (!cut) confirm(step, peer);
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

export function ask(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[], graft = false): void {
  const room = Math.max(0, logsMax - peer.asked.size);
  const open = logs.filter((log) => !peer.asked.has(logName(log))).slice(0, room);
  if (open.length === 0) return;
  for (const log of open) peer.asked.set(logName(log), log);
  send(step, link, { type: "wants", graft, logs: open });
}

/**
 * Sends what the peer lacks, one window of it at once; the rest is offered.
 *
 * @returns whether there is a rest, which the peer is going to ask for.
 */
function give(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[]): boolean {
  const { parts, cut } = collect(step, logs);
  for (const part of parts) sendRecords(step, link, peer, "part", part);
  if (cut) {
    const heads = logs.map((log) => ({ ...log, at: headOf(step, log) }));
    send(step, link, { type: "offer", logs: heads });
  }
  return cut;
}

/** A window of the logs' records as frames, most urgent class first, each with what it covers. */
function collect(step: Step, logs: readonly LogAt[]): { parts: Part[]; cut: boolean } {
  const parts: Part[] = [];
  let records: MeshRecord[] = [];
  let covers: Cover[] = [];
  let frameBytes = 0;
  let bytes = 0;
  const close = (): void => {
    if (records.length + covers.length > 0) parts.push({ records, covers });
    [records, covers, frameBytes] = [[], [], 0];
  };
  for (const kind of recordKinds) {
    for (const ref of logs.filter((log) => log.kind === kind)) {
      const log = step.env.store.logs.get(logName(ref));
      if (log === undefined) continue;
      let from = ref.at;
      let reached = ref.at;
      for (const record of recordsAfter(log, ref.at)) {
        if (bytes >= windowBytes) {
          coverUpTo(covers, log, from, Math.min(reached, log.head));
          close();
          return { parts, cut: true };
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
  }
  close();
  return { parts, cut: false };
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

function logsOf({ env }: Step, scope: Scope): Log[] {
  return [...env.store.logs.values()].filter((log) => log.scope === scope);
}

function nowInStep(step: Step, link: LinkId, peer: Peer): void {
  peer.inStep = true;
  peer.rounds = roundsMax;
  peer.repair = undefined;
  if (peer.reported && peer.sent + peer.received === 0) return;
  peer.reported = true;
  step.out.push({ type: "in-step", link, sent: peer.sent, received: peer.received });
  peer.sent = 0;
  peer.received = 0;
}
