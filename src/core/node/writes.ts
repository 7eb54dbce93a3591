import { observe, tick } from "../kernel/hybrid-clock.ts";
import type { Instant } from "../kernel/time.ts";
import { ok, type Result } from "../kernel/result.ts";
import { planChange } from "../intents/change.ts";
import { writeIntentBody } from "../intents/body.ts";
import type { Change, ChangeError, IntentBody, IntentEntry, MergedObject } from "../intents/contract.ts";
import { managerProblem } from "../intents/manager.ts";
import { kindOf } from "../intents/kinds/index.ts";
import { mergeObject } from "../intents/merge.ts";
import { strategicMergePatch } from "../intents/patch.ts";
import { intentKey, objectKey, type ObjectRef } from "../records/keys.ts";
import { draftRecord, slotOf, type MeshRecord } from "../records/record.ts";
import { putRecord, sealNext } from "../records/store.ts";
import type { Durability, WriteReply } from "./contract.ts";
import { indexRecord, isMember } from "./records-index.ts";
import { persist, persisted } from "./durable.ts";
import { coverAndHold } from "./held.ts";
import { tellSync } from "./links.ts";
import type { InFlight, NodeState, WriteRequest } from "./state.ts";
import { changed, placeSoon, type Turn } from "./turn.ts";
import { isVoidedSince } from "./voided.ts";

/**
 * Users' writes: planned against the state plus what is planned before them, committed together, applied
 * and answered when they are on disk. One batch is under way at a time; the rest queue up into the next.
 */

/** Queued write requests at which the node says it is busy instead of queueing more. */
const queueMax = 1_000;

/** Objects as they will be once the batch is committed. */
type Overlay = {
  readonly entries: Map<string, Map<string, IntentEntry>>;
  readonly records: Map<string, MeshRecord>;
};

export function writeAsked(turn: Turn, request: WriteRequest): void {
  const { state } = turn;
  if (state.index.goneSince.has(state.identity.id))
    return answer(turn, request.request, { type: "not-a-member" });
  if (state.queuedWrites.length >= queueMax) {
    return answer(turn, request.request, {
      type: "storage",
      detail: `${queueMax} writes are waiting for the disk`,
    });
  }
  state.queuedWrites.push(request);
  startBatch(turn);
}

export function writeStored(turn: Turn, ticket: number): void {
  const batch = turn.state.inFlight;
  if (batch?.ticket !== ticket) return;
  turn.state.inFlight = undefined;
  const records = batch.records.filter((record) => putRecord(turn.state.store, record).type === "stored");
  for (const record of records) {
    const change = indexRecord(turn.state.index, record);
    if (change !== undefined) changed(turn, ...change.changed);
    // The clock may have been put right meanwhile: what it stamped before is written anew, this as well.
    observe(turn.state.clock, record.version);
    // Nobody but us writes our log, so we hold all of it.
    if (turn.state.ownLogsWhole) coverAndHold(turn, { ...record, from: 0, to: record.seal?.last ?? 0 });
  }
  if (records.length > 0) tellSync(turn, { type: "stored", records, from: undefined });
  const bare = batch.replies.filter((reply) => lostItsBase(turn.state, reply, batch.since));
  for (const reply of batch.replies) if (!bare.includes(reply)) answerStored(turn, reply);
  turn.state.queuedWrites.unshift(...bare.map(({ request }) => overWhatIsLeft(turn.state, request)));
  placeSoon(turn);
  startBatch(turn);
}

/**
 * A write says what is different from the object as it was. When most of that was void by the time it was stored,
 * the rest is not what was asked for: it is planned once more, on top of what is left.
 */
function lostItsBase(state: NodeState, { request }: InFlight["replies"][number], since: Instant): boolean {
  const isWhole = (change: Change): boolean =>
    change.type === "apply" || (change.type === "update" && change.mode !== "create");
  return (
    request.changes.every(isWhole) && request.changes.some(({ ref }) => isVoidedSince(state, ref, since))
  );
}

/** What came meanwhile was not seen by who wrote the whole object, who takes none of it away. */
function overWhatIsLeft({ index }: NodeState, request: WriteRequest): WriteRequest {
  const changes = request.changes.map((change): Change => {
    const kind = kindOf(change.ref.group, change.ref.kind);
    const current = index.objectByKey.get(objectKey(change.ref));
    if (change.type !== "update" || kind === undefined || current === undefined) return change;
    const merged = strategicMergePatch(kind.schema, current.value, change.value);
    return merged.ok ? { ...change, value: merged.value } : change;
  });
  return { ...request, changes };
}

export function writeFailed(turn: Turn, ticket: number, detail: string): void {
  const batch = turn.state.inFlight;
  if (batch?.ticket !== ticket) return;
  persisted(turn, ticket);
  turn.state.inFlight = undefined;
  for (const { request } of batch.replies) answer(turn, request.request, { type: "storage", detail });
  startBatch(turn);
}

function startBatch(turn: Turn): void {
  const { state } = turn;
  if (state.inFlight !== undefined || state.queuedWrites.length === 0) return;
  const requests = state.queuedWrites;
  state.queuedWrites = [];
  const overlay: Overlay = { entries: new Map(), records: new Map() };
  const replies: InFlight["replies"][number][] = [];
  for (const request of requests) {
    const planned = planRequest(turn, request, overlay);
    if (!planned.ok) answer(turn, request.request, planned.error);
    else if (request.dryRun) answerDryRun(turn, request, planned.value);
    else {
      merge(overlay, planned.value);
      const refs = request.changes.map(({ ref }) => ref);
      replies.push({ request, refs, slots: slotsOf(turn, refs, planned.value, overlay) });
    }
  }
  const records = [...overlay.records.values()];
  if (records.length === 0) {
    for (const reply of replies) answerStored(turn, reply);
    return;
  }
  // The head moves when they are in the store: peers are told that they have all up to the head.
  sealNext(state.store, records, false, turn.env.signer, turn.env.crypto);
  state.inFlight = { ticket: persist(turn, records), since: turn.env.now, records, replies };
}

/** All changes of a request on top of the overlay, or the first refusal. */
function planRequest(turn: Turn, request: WriteRequest, overlay: Overlay): Result<Overlay, ChangeError> {
  const { state, env } = turn;
  const own: Overlay = { entries: new Map(), records: new Map() };
  for (const change of request.changes) {
    const kind = kindOf(change.ref.group, change.ref.kind);
    if (kind === undefined) return invalidKind(change.ref);
    const problem = managerProblem(change.manager);
    if (problem !== undefined) return invalidManager(change, problem);
    const entries = entriesUnder(turn, change.ref, overlay, own);
    const current = entries.size === 0 ? undefined : mergeObject(kind, change.ref, [...entries.values()]);
    const by = { author: state.identity.id, version: tick(state.clock, env.wall), actor: request.actor };
    const planned = planChange(kind, change, [...entries.values()], current, by);
    if (!planned.ok) return planned;
    if ("unchanged" in planned.value) continue;
    take(turn, change, planned.value.body, planned.value.manager, by.version, entries, own);
  }
  return ok(own);
}

function take(
  turn: Turn,
  change: Change,
  body: IntentBody,
  manager: string,
  version: number,
  entries: ReadonlyMap<string, IntentEntry>,
  own: Overlay,
): void {
  const { state, env } = turn;
  const key = intentKey(change.ref, manager);
  const draft = { scope: "mesh", key, version, kind: "intent", body: writeIntentBody(body) } as const;
  const record = draftRecord(draft, state.identity.id, env.crypto);
  const next = new Map(entries).set(slotOf(record), { author: record.author, manager, version, body });
  own.entries.set(objectKey(change.ref), next);
  own.records.set(slotOf(record), record);
}

function entriesUnder(
  turn: Turn,
  ref: ObjectRef,
  ...layers: readonly Overlay[]
): ReadonlyMap<string, IntentEntry> {
  const key = objectKey(ref);
  for (const layer of [...layers].reverse()) {
    const entries = layer.entries.get(key);
    if (entries !== undefined) return entries;
  }
  return turn.state.index.entriesByObject.get(key) ?? new Map();
}

function merge(overlay: Overlay, own: Overlay): void {
  for (const [key, entries] of own.entries) overlay.entries.set(key, entries);
  for (const [slot, record] of own.records) overlay.records.set(slot, record);
}

/** Where a request's outcome stands: in what it wrote, and in what already said so. */
function slotsOf(turn: Turn, refs: readonly ObjectRef[], own: Overlay, overlay: Overlay): readonly string[] {
  const unchanged = refs.filter((ref) => !own.entries.has(objectKey(ref)));
  return [...own.records.keys(), ...unchanged.flatMap((ref) => [...entriesUnder(turn, ref, overlay).keys()])];
}

function answerStored(turn: Turn, reply: InFlight["replies"][number]): void {
  const objects = reply.refs.flatMap((ref) => turn.state.index.objectByKey.get(objectKey(ref)) ?? []);
  const value = { objects, durability: durabilityOf(turn), slots: reply.slots };
  turn.out.push({ type: "reply", request: reply.request.request, reply: ok(value) });
}

function answerDryRun(turn: Turn, request: WriteRequest, own: Overlay): void {
  const objects: MergedObject[] = [];
  for (const { ref } of request.changes) {
    const kind = kindOf(ref.group, ref.kind);
    const entries = entriesUnder(turn, ref, own);
    const merged = kind === undefined ? undefined : mergeObject(kind, ref, [...entries.values()]);
    if (merged !== undefined) objects.push(merged);
  }
  const value = { objects, durability: durabilityOf(turn), slots: [] };
  turn.out.push({ type: "reply", request: request.request, reply: ok(value) });
}

function answer(turn: Turn, request: number, error: Extract<WriteReply, { ok: false }>["error"]): void {
  turn.out.push({ type: "reply", request, reply: { ok: false, error } });
}

/** What is certain at the moment of the answer: our own disk. Peers confirm later, by being in step. */
function durabilityOf(turn: Turn): Durability {
  const { index, identity } = turn.state;
  let of = 0;
  for (const [id, { body }] of index.memberById) if (isMember(index, id) && body.site === identity.site) of++;
  return { local: true, site: { have: 1, of: Math.max(1, of) } };
}

function invalidManager({ ref, manager }: Change, problem: string): Result<never, ChangeError> {
  const value = JSON.stringify(manager.length > 64 ? `${manager.slice(0, 64)}...` : manager);
  const fix = "give a short name, such as kubectl";
  return {
    ok: false,
    error: { type: "invalid", ref, problems: [{ field: "fieldManager", value, problem, fix }] },
  };
}

function invalidKind(ref: ObjectRef): Result<never, ChangeError> {
  const problem = {
    field: "kind",
    value: JSON.stringify(ref.kind),
    problem: "no such kind is supported",
    fix: "see `starlight get --help` or `kubectl api-resources` for the supported kinds",
  };
  return { ok: false, error: { type: "invalid", ref, problems: [problem] } };
}
