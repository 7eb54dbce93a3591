import { between } from "../kernel/random.ts";
import type { Duration, Instant, Wake } from "../kernel/time.ts";
import { asleep } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { MeshRecord, NodeId, RecordKind } from "../records/record.ts";
import { keeps, type Place, type Scope } from "../records/scope.ts";
import { scopeDigest } from "../records/store.ts";
import { equalBytes } from "../kernel/bytes.ts";
import type { Sync, SyncConfig, SyncEffect, SyncEnv, SyncEvent } from "./contract.ts";
import { bucketHashes, differingBuckets, entriesOf, idName, recordsInBuckets } from "./digest.ts";
import {
  decodeFrame,
  encodeFrame,
  protocolVersion,
  recordsFrameBytes,
  type DigestEntry,
  type ScopeSummary,
  type SyncFrame,
} from "./frames.ts";

/**
 * Keeps peers' records equal. Fresh records of our own are pushed to every peer; those that came from a
 * peer are only announced to the others (`have`), who ask if nobody else brought them. Now and then, and
 * when a link opens, hashes are compared and differences repaired, a few rounds at most per interval.
 */

/** An announced record that has not come by itself is asked for after this long. */
const askAfter: Duration = 60;
/** Comparisons right after one that found differences, before the next regular one. */
const repairRounds = 3;
/** Records remembered by id, to answer requests for announced ones. */
const recentMax = 8_192;
const announcedMax = 8_192;
const repairPause: Duration = 100;

type Peer = {
  readonly id: NodeId;
  readonly place: Place;
  inStep: boolean;
  reported: boolean;
  compareAt: Instant;
  roundsLeft: number;
  sent: number;
  received: number;
};

type State = {
  readonly config: SyncConfig;
  readonly peers: Map<LinkId, Peer>;
  /** Id name -> record, newest last. */
  readonly recent: Map<string, MeshRecord>;
  /** Id name -> who has it and when to ask. */
  readonly announced: Map<string, { readonly link: LinkId; readonly scope: Scope; readonly askAt: Instant }>;
};

type Step = { readonly state: State; readonly env: SyncEnv; readonly out: SyncEffect[] };

export function createSync(config: SyncConfig): Sync {
  const state: State = { config, peers: new Map(), recent: new Map(), announced: new Map() };
  return {
    handle: (event, env) => {
      const step: Step = { state, env, out: [] };
      take(step, event);
      tend(step);
      return step.out;
    },
    wake: () => nextWake(state),
    inStep: (link) => state.peers.get(link)?.inStep ?? false,
  };
}

function take(step: Step, event: SyncEvent): void {
  const { state, env } = step;
  switch (event.type) {
    case "peer-up":
      state.peers.set(event.link, {
        id: event.peer,
        place: event.place,
        inStep: false,
        reported: false,
        compareAt: asks(state, event.peer) ? env.now : Number.POSITIVE_INFINITY,
        roundsLeft: repairRounds,
        sent: 0,
        received: 0,
      });
      return;
    case "peer-down":
      state.peers.delete(event.link);
      return;
    case "frame":
      return frameArrived(step, event.link, event.bytes);
    case "stored":
      return spread(step, event.records, event.from);
    case "wake":
      return;
  }
}

/** Of two peers, the one with the smaller id starts comparisons. */
function asks(state: State, peer: NodeId): boolean {
  return state.config.self < peer;
}

function spread(step: Step, records: readonly MeshRecord[], from: LinkId | undefined): void {
  const { state } = step;
  for (const record of records) {
    remember(state.recent, idName(record), record, recentMax);
    state.announced.delete(idName(record));
  }
  for (const [link, peer] of state.peers) {
    if (link === from) continue;
    const theirs = records.filter(({ scope }) => keeps(peer.place, scope));
    if (theirs.length === 0) continue;
    if (from === undefined) sendRecords(step, link, peer, theirs);
    else announce(step, link, theirs);
  }
}

function announce(step: Step, link: LinkId, records: readonly MeshRecord[]): void {
  for (const scope of new Set(records.map((record) => record.scope))) {
    const names = records.filter((record) => record.scope === scope).map(idName);
    send(step, link, { type: "have", scope, names });
  }
}

function frameArrived(step: Step, link: LinkId, bytes: Uint8Array): void {
  const peer = step.state.peers.get(link);
  if (peer === undefined) return;
  const frame = decodeFrame(bytes);
  if (frame === undefined) {
    step.out.push({ type: "protocol-error", link, detail: "a sync frame that cannot be read" });
    return;
  }
  switch (frame.type) {
    case "summary":
    case "summary-reply":
      return summaryArrived(step, link, peer, frame);
    case "buckets":
      return bucketsArrived(step, link, peer, frame.scope, frame.hashes);
    case "digest":
      return digestArrived(step, link, peer, frame);
    case "want":
      return wantArrived(step, link, peer, frame);
    case "have":
      return haveArrived(step, link, frame.scope, frame.names);
    case "records":
      peer.received += frame.frames.length;
      step.out.push({ type: "received", link, frames: frame.frames });
      return;
  }
}

function summaryArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  frame: Extract<SyncFrame, { type: "summary" | "summary-reply" }>,
): void {
  if (frame.protocol !== protocolVersion) {
    const detail = `the peer speaks sync protocol ${frame.protocol}, we speak ${protocolVersion}`;
    step.out.push({ type: "protocol-error", link, detail });
    return;
  }
  const ours = summaries(step, peer);
  const differing = ours.filter(({ scope, hash }) => {
    const theirs = frame.scopes.find((summary) => summary.scope === scope);
    return theirs === undefined || !equalBytes(theirs.hash, hash);
  });
  if (frame.type === "summary") {
    send(step, link, { type: "summary-reply", protocol: protocolVersion, scopes: ours });
  }
  if (differing.length === 0) return nowInStep(step, link, peer);
  peer.inStep = false;
  peer.reported = false;
  if (frame.type === "summary") return;
  for (const { scope } of differing) {
    send(step, link, { type: "buckets", scope, hashes: bucketHashes(step.env.store, scope) });
  }
  if (peer.roundsLeft > 0) {
    peer.roundsLeft--;
    peer.compareAt = Math.min(peer.compareAt, step.env.now + repairPause);
  }
}

function nowInStep(step: Step, link: LinkId, peer: Peer): void {
  peer.inStep = true;
  peer.roundsLeft = repairRounds;
  if (peer.reported) return;
  peer.reported = true;
  step.out.push({ type: "in-step", link, sent: peer.sent, received: peer.received });
  peer.sent = 0;
  peer.received = 0;
}

function bucketsArrived(step: Step, link: LinkId, peer: Peer, scope: Scope, hashes: Uint8Array): void {
  const { store } = step.env;
  if (!shared(step, peer, scope)) return;
  const buckets = differingBuckets(bucketHashes(store, scope), hashes);
  if (buckets.length === 0) return;
  const entries = entriesOf(recordsInBuckets(store, scope, buckets));
  send(step, link, { type: "digest", scope, buckets, entries });
}

/** The asking end learns what differs: it sends what the peer lacks and asks for what itself lacks. */
function digestArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  { scope, buckets, entries }: Extract<SyncFrame, { type: "digest" }>,
): void {
  if (!shared(step, peer, scope)) return;
  const ours = recordsInBuckets(step.env.store, scope, buckets);
  const theirs = new Map(entries.map((entry) => [entry.slot, entry] as const));
  const missing: MeshRecord[] = [];
  for (const [slot, record] of ours) if (isNewer(record, theirs.get(slot))) missing.push(record);
  const wanted = entries.filter((entry) => isOlder(ours.get(entry.slot), entry)).map(({ slot }) => slot);
  sendRecords(step, link, peer, inUrgency(missing));
  if (wanted.length > 0)
    send(step, link, { type: "want", by: "slot", scope, names: wanted.slice(0, 20_000) });
}

function wantArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  { by, scope, names }: Extract<SyncFrame, { type: "want" }>,
): void {
  if (!shared(step, peer, scope)) return;
  const wanted = new Set(names);
  const found: MeshRecord[] = [];
  if (by === "id") for (const name of wanted) found.push(...maybe(step.state.recent.get(name)));
  else {
    const buckets = [...new Set(names.map((name) => name.charCodeAt(0)))];
    for (const [name, record] of recordsInBuckets(step.env.store, scope, buckets)) {
      if (wanted.has(name)) found.push(record);
    }
  }
  sendRecords(step, link, peer, inUrgency(found.filter((record) => record.scope === scope)));
}

function haveArrived({ state, env }: Step, link: LinkId, scope: Scope, names: readonly string[]): void {
  const askAt = env.now + between(env.random, askAfter / 2, askAfter);
  for (const name of names) {
    if (state.recent.has(name) || state.announced.has(name)) continue;
    remember(state.announced, name, { link, scope, askAt }, announcedMax);
  }
}

/** What time brings: the next comparison, and requests for what was announced and did not come. */
function tend(step: Step): void {
  const { state, env } = step;
  for (const [link, peer] of state.peers) {
    if (env.now < peer.compareAt) continue;
    peer.compareAt = env.now + between(env.random, 0.75, 1.25) * state.config.compareEvery;
    if (peer.inStep) peer.roundsLeft = repairRounds;
    send(step, link, { type: "summary", protocol: protocolVersion, scopes: summaries(step, peer) });
  }
  const asked = new Map<string, { link: LinkId; scope: Scope; names: string[] }>();
  for (const [name, { link, scope, askAt }] of state.announced) {
    if (env.now < askAt) continue;
    state.announced.delete(name);
    const key = `${link} ${scope}`;
    const group = asked.get(key) ?? { link, scope, names: [] };
    group.names.push(name);
    asked.set(key, group);
  }
  for (const { link, scope, names } of asked.values()) {
    if (state.peers.has(link)) send(step, link, { type: "want", by: "id", scope, names });
  }
}

function nextWake(state: State): Wake {
  let at = Number.POSITIVE_INFINITY;
  for (const peer of state.peers.values()) at = Math.min(at, peer.compareAt);
  for (const { askAt } of state.announced.values()) at = Math.min(at, askAt);
  return at === Number.POSITIVE_INFINITY ? asleep : { at, why: "comparison with a peer" };
}

function summaries(step: Step, peer: Peer): ScopeSummary[] {
  const { place, store } = step.env;
  const scopes: Scope[] = ["mesh", `region:${place.region}`, `site:${place.site}`];
  return scopes
    .filter((scope) => keeps(peer.place, scope))
    .map((scope) => ({ scope, ...scopeDigest(store, scope) }));
}

function shared({ env }: Step, peer: Peer, scope: Scope): boolean {
  return keeps(env.place, scope) && keeps(peer.place, scope);
}

function sendRecords(step: Step, link: LinkId, peer: Peer, records: readonly MeshRecord[]): void {
  peer.sent += records.length;
  let frames: Uint8Array[] = [];
  let bytes = 0;
  for (const record of records) {
    if (bytes + record.bytes.length > recordsFrameBytes && frames.length > 0) {
      send(step, link, { type: "records", frames });
      frames = [];
      bytes = 0;
    }
    frames.push(record.bytes);
    bytes += record.bytes.length;
  }
  if (frames.length > 0) send(step, link, { type: "records", frames });
}

function send({ out }: Step, link: LinkId, frame: SyncFrame): void {
  out.push({ type: "send", link, bytes: encodeFrame(frame) });
}

const urgency: readonly RecordKind[] = ["roster", "intent", "fact"];

/** Trust first, then intents, then facts. */
function inUrgency(records: readonly MeshRecord[]): MeshRecord[] {
  return urgency.flatMap((kind) => records.filter((record) => record.kind === kind));
}

function isNewer(ours: MeshRecord, theirs: DigestEntry | undefined): boolean {
  if (theirs === undefined || ours.version > theirs.version) return true;
  return ours.version === theirs.version && idName(ours) !== theirs.id;
}

function isOlder(ours: MeshRecord | undefined, theirs: DigestEntry): boolean {
  if (ours === undefined || ours.version < theirs.version) return true;
  return ours.version === theirs.version && idName(ours) !== theirs.id;
}

function remember<V>(map: Map<string, V>, name: string, value: V, countMax: number): void {
  map.delete(name);
  map.set(name, value);
  if (map.size <= countMax) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}

function maybe<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}
