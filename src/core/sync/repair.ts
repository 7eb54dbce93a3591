import { equalBytes } from "../kernel/bytes.ts";
import type { LinkId } from "../membership/contract.ts";
import type { MeshRecord } from "../records/record.ts";
import type { Scope } from "../records/scope.ts";
import { scopeDigest } from "../records/store.ts";
import { roomOf } from "./budget.ts";
import { windowBytes, itemsMax, recordsFrameBytes, symbolsMax, type SyncFrame } from "./frames.ts";
import {
  createDecoder,
  createSketch,
  decodeSymbols,
  encodeSymbols,
  lengthMax,
  startLength,
  type Decoder,
  type Item,
  type Sketch,
  type Symbols,
} from "./sketch.ts";
import { confirm, isShared, send, sendRecords, type Peer, type Step } from "./state.ts";

/**
 * Finds the difference of two sets of records without regard to authors: where logs agree and hashes do
 * not, and where the authors are so many that a list of them would cost more than the difference. An item
 * is the first 8 bytes of a record's hash.
 */
export type Repair = {
  readonly scope: Scope;
  /** The state of our scope when the local symbols were taken; a change means to begin again. */
  readonly hash: Uint8Array;
  readonly decoder: Decoder;
  readonly local: Symbols;
  /** The search ends after so many symbols. */
  readonly symbolsMax: number;
  /** Then the list of logs is asked for: it is cheaper, and was not seen yet. */
  readonly listed: boolean;
};

const firstSymbols = 64;
const restartsMax = 3;
/** After a search that found no end; then it may be another state, or another peer has repaired it. */
const searchAgainAfter = 600_000;

/** A sketch of each scope, kept up to date with every record that comes and goes. */
export type Sketches = { readonly byScope: Map<Scope, Sketch> };

export function sketchOf({ env, state }: Step, scope: Scope): Sketch {
  const { store } = env;
  const { byScope } = state.sketches;
  if (byScope.size === 0) {
    store.watchers.push((record, sign) => {
      const sketch = byScope.get(record.scope);
      if (sign > 0) sketch?.insert(...halves(record));
      else sketch?.remove(...halves(record));
    });
  }
  let sketch = byScope.get(scope);
  if (sketch === undefined) {
    sketch = createSketch();
    for (const record of store.bySlot.values()) if (record.scope === scope) sketch.insert(...halves(record));
    byScope.set(scope, sketch);
  }
  return sketch;
}

export function beginRepair(
  step: Step,
  link: LinkId,
  peer: Peer,
  scope: Scope,
  symbols: number,
  listed = false,
): void {
  if (peer.repair !== undefined || step.env.now < peer.repairAfter) return;
  peer.repair = newRepair(step, scope, startLength, symbols, listed);
  send(step, link, { type: "symbols-want", scope, from: 0, count: firstSymbols });
}

/** The next symbols of our sketch, from one snapshot; from the first one again when the set has changed. */
export function answerSymbols(
  step: Step,
  link: LinkId,
  peer: Peer,
  { scope, from, count }: Extract<SyncFrame, { type: "symbols-want" }>,
): void {
  if (!isShared(peer, scope) || count > symbolsMax || from + count > lengthMax) return;
  const { hash } = scopeDigest(step.env.store, scope);
  const held = peer.shown;
  const fresh = held === undefined || held.scope !== scope || from === 0;
  const changed = !fresh && !equalBytes(held.hash, hash);
  const end = changed ? firstSymbols : from + count;
  const known = !fresh && !changed && held.symbols.words.length >= 4 * end;
  const symbols = known ? held.symbols : snapshot(step, scope, end);
  peer.shown = { scope, hash, symbols };
  const bytes = encodeSymbols(symbols, changed ? 0 : from, end);
  send(step, link, { type: "symbols", scope, from: changed ? 0 : from, bytes });
}

export function symbolsArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  frame: Extract<SyncFrame, { type: "symbols" }>,
): void {
  const { repair } = peer;
  const remote = decodeSymbols(frame.bytes);
  if (repair === undefined || repair.scope !== frame.scope || remote === undefined) return;
  const moved = !equalBytes(repair.hash, scopeDigest(step.env.store, repair.scope).hash);
  const restarted = remote.from !== repair.decoder.taken();
  if (moved || restarted) return beginAgain(step, link, peer, repair);
  const outcome = repair.decoder.add(remote);
  if (outcome === "malformed") giveUp(step, link, peer, repair);
  else if (outcome === "done") finish(step, link, peer, repair);
  else askOn(step, link, peer, repair);
}

/** Records the peer found missing, by the beginnings of their hashes. */
export function answerItems(
  step: Step,
  link: LinkId,
  peer: Peer,
  { scope, items }: Extract<SyncFrame, { type: "items-want" }>,
): void {
  if (!isShared(peer, scope)) return;
  const wanted = new Set<string>();
  for (let at = 0; at + 8 <= items.length; at += 8) wanted.add(nameOf(items.subarray(at, at + 8)));
  const lacking = recordsNamed(step, scope, wanted);
  sendAll(step, link, peer, lacking);
  if (lacking.length > 0) step.out.push({ type: "only-here", records: lacking });
  sendRecords(step, link, peer, "found", { records: [], covers: [] });
}

function newRepair(step: Step, scope: Scope, length: number, symbols: number, listed: boolean): Repair {
  const local = snapshot(step, scope, length);
  const { hash } = scopeDigest(step.env.store, scope);
  return { scope, hash, decoder: createDecoder(local), local, symbolsMax: symbols, listed };
}

function beginAgain(step: Step, link: LinkId, peer: Peer, repair: Repair): void {
  peer.repair = undefined;
  if (++peer.restarts > restartsMax) return;
  beginRepair(step, link, peer, repair.scope, repair.symbolsMax, repair.listed);
}

function askOn(step: Step, link: LinkId, peer: Peer, repair: Repair): void {
  const taken = repair.decoder.taken();
  const length = repair.local.words.length / 4;
  if (taken >= repair.symbolsMax && repair.listed) {
    peer.repair = undefined;
    return send(step, link, { type: "heads-want", scope: repair.scope });
  }
  const count = Math.min(taken, symbolsMax, Math.min(lengthMax, repair.symbolsMax) - taken);
  if (count <= 0) return giveUp(step, link, peer, repair);
  if (taken + count <= length) {
    return send(step, link, { type: "symbols-want", scope: repair.scope, from: taken, count });
  }
  // Our own prefix is too short: a longer one, fed with what the peer sends from the start again.
  const longer = Math.min(lengthMax, 2 * (taken + count));
  peer.repair = newRepair(step, repair.scope, longer, repair.symbolsMax, repair.listed);
  const all = Math.min(symbolsMax, taken + count);
  send(step, link, { type: "symbols-want", scope: repair.scope, from: 0, count: all });
}

function finish(step: Step, link: LinkId, peer: Peer, { scope, decoder }: Repair): void {
  peer.repair = undefined;
  peer.restarts = 0;
  const ours = recordsNamed(step, scope, new Set(decoder.onlyLocal.map(nameOfItem)));
  sendAll(step, link, peer, ours);
  if (ours.length > 0) step.out.push({ type: "only-here", records: ours });
  const missing = decoder.onlyRemote;
  for (let from = 0; from < missing.length; from += itemsMax) {
    const part = missing.slice(from, from + itemsMax);
    const items = new Uint8Array(8 * part.length);
    part.forEach((item, at) => items.set(bytesOfItem(item), 8 * at));
    send(step, link, { type: "items-want", scope, items });
  }
  if (missing.length === 0) confirm(step, peer);
}

/**
 * Whoever writes records whose hashes begin alike, which takes about 2^32 attempts for two, makes symbols that
 * never come out even, wherever one end has both and the other none. So what was read off until then is
 * exchanged all the same, and the next search waits: what stays different is what the forger wrote.
 */
function giveUp(step: Step, link: LinkId, peer: Peer, repair: Repair): void {
  peer.repairAfter = step.env.now + searchAgainAfter;
  finish(step, link, peer, repair);
}

/** One window of these records, or less by the link's budget; what is left is found by the next comparison. */
function sendAll(step: Step, link: LinkId, peer: Peer, records: readonly MeshRecord[]): void {
  let part: MeshRecord[] = [];
  let bytes = 0;
  let all = 0;
  for (const record of records) {
    all += record.frame.length;
    if (all > windowBytes && all > record.frame.length) {
      // The comparison that finds the rest comes at once.
      peer.rounds = 0;
      break;
    }
    if (all - record.frame.length >= roomOf(step, link, record.kind)) break;
    if (bytes + record.frame.length > recordsFrameBytes && part.length > 0) {
      sendRecords(step, link, peer, "part", { records: part, covers: [] });
      [part, bytes] = [[], 0];
    }
    part.push(record);
    bytes += record.frame.length;
  }
  if (part.length > 0) sendRecords(step, link, peer, "part", { records: part, covers: [] });
}

function snapshot(step: Step, scope: Scope, length: number): Symbols {
  const sketch = sketchOf(step, scope);
  sketch.extend(Math.min(lengthMax, length), (visit) => {
    for (const record of step.env.store.bySlot.values()) if (record.scope === scope) visit(...halves(record));
  });
  return sketch.snapshot();
}

function recordsNamed({ env }: Step, scope: Scope, names: ReadonlySet<string>): MeshRecord[] {
  const found: MeshRecord[] = [];
  if (names.size === 0) return found;
  // All records are looked at, so a number is compared before a name is made.
  const first = new Set<number>();
  for (const name of names) first.add(Number.parseInt(name, 10));
  for (const record of env.store.bySlot.values()) {
    if (!first.has(word(record.hash, 0)) || record.scope !== scope) continue;
    if (names.has(nameOf(record.hash))) found.push(record);
  }
  return found;
}

function halves({ hash }: MeshRecord): [lo: number, hi: number] {
  return [word(hash, 0), word(hash, 4)];
}

function word(bytes: Uint8Array, at: number): number {
  const [a, b, c, d] = [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

const nameOf = (bytes: Uint8Array): string => `${word(bytes, 0)} ${word(bytes, 4)}`;
const nameOfItem = ({ lo, hi }: Item): string => `${lo} ${hi}`;

function bytesOfItem({ lo, hi }: Item): Uint8Array {
  const bytes = new Uint8Array(8);
  for (let at = 0; at < 4; at++) {
    bytes[at] = (lo >>> (8 * at)) & 0xff;
    bytes[at + 4] = (hi >>> (8 * at)) & 0xff;
  }
  return bytes;
}
