import { readIntentBody, writeIntentBody } from "../intents/body.ts";
import { tick, versionAt, type Version } from "../kernel/hybrid-clock.ts";
import { isObject, type Json } from "../kernel/json.ts";
import type { WallTime } from "../kernel/time.ts";
import { partsOf } from "../records/keys.ts";
import { newestOf } from "../records/log.ts";
import { bodyOf, draftRecord, slotOf, type MeshRecord } from "../records/record.ts";
import { putRecord } from "../records/store.ts";
import { setAside, takeOut } from "./admission.ts";
import { headsMoved } from "./heads.ts";
import { headLowered } from "./held.ts";
import { indexRecord } from "./records-index.ts";
import { changed, note, type Turn } from "./turn.ts";
import { objectVoided } from "./voided.ts";

/**
 * What a clock that was wrong left behind, once we know the time: stamps from a future that nobody else is in.
 *
 * Our own records are written anew with stamps that others take. What others wrote there, who were as wrong as
 * we, is kept aside as it is everywhere else: they write it anew, below those stamps. Heads that lead there are
 * of no log that anybody will hold.
 *
 * @param wall The time as it is known now, in ms since 1970.
 */
export function restamp(turn: Turn, wall: WallTime): void {
  const { state } = turn;
  const limit = versionAt(wall + state.config.driftMax);
  if (state.clock.last <= limit) return;
  const self = state.identity.id;
  const own: MeshRecord[] = [];
  const others: MeshRecord[] = [];
  let last: Version = 0;
  for (const record of state.store.bySlot.values()) {
    if (record.version <= limit) last = Math.max(last, record.version);
    else if (record.author === self) own.push(record);
    // Who is a member is not taken back before it is said anew: nobody may be left who could.
    else if (record.kind !== "roster") others.push(record);
  }
  state.clock.last = last;
  own.sort((left, right) => left.version - right.version);
  for (const record of others) {
    const parts = partsOf(record.key);
    if (parts?.type === "intent") objectVoided(turn, parts.ref);
  }
  for (const record of [...own, ...others]) takeOut(turn, record);
  lowerHeads(turn, limit);
  for (const record of own) writeAnew(turn, record, limit, wall);
  for (const record of others) setAside(turn, slotOf(record), record);
  for (const pod of state.pods.values()) {
    if (pod.body.claimedAt > limit) pod.body = { ...pod.body, claimedAt: tick(state.clock, wall) };
  }
  if (own.length > 0)
    note(turn, "warning", "Restamped", `${own.length} own records had stamps of a wrong clock`);
}

function lowerHeads(turn: Turn, limit: Version): void {
  const { store, wholeUpTo } = turn.state;
  for (const log of store.logs.values()) {
    log.ahead = log.ahead.filter(({ to }) => to <= limit);
    if (log.head <= limit) continue;
    log.head = newestOf(log);
    headLowered(turn, log);
  }
  for (const [name, upTo] of wholeUpTo) if (upTo > limit) wholeUpTo.delete(name);
  headsMoved(turn);
}

function writeAnew(turn: Turn, record: MeshRecord, limit: Version, wall: WallTime): void {
  const { state, env } = turn;
  const body = restamped(turn, record, limit, wall);
  const { scope, key, kind } = record;
  const draft = { scope, key, kind, version: tick(state.clock, wall), body };
  const anew = draftRecord(draft, state.identity.id, env.crypto);
  putRecord(state.store, anew);
  const change = indexRecord(state.index, anew);
  if (change !== undefined) changed(turn, ...change.changed);
  turn.fresh.push({ record: anew, from: undefined });
}

/**
 * The body with its own stamps put right: those of an intent's writes, and that of a pod's claim. What it says of
 * heads is taken back, and said anew with the next look at them.
 */
function restamped({ state }: Turn, record: MeshRecord, limit: Version, wall: WallTime): Json | undefined {
  const body = bodyOf(record);
  if (body === undefined) return undefined;
  if (record.kind === "intent") {
    const intent = readIntentBody(body);
    if (intent === undefined) return body;
    const order = intent.writes.map((write, at) => ({ at, version: write.version }));
    const next = new Map<number, Version>();
    for (const { at, version } of order.sort((left, right) => left.version - right.version)) {
      next.set(at, version > limit ? tick(state.clock, wall) : version);
    }
    const writes = intent.writes.map((write, at) => ({ ...write, version: next.get(at) ?? write.version }));
    return writeIntentBody({ ...intent, writes });
  }
  if (!isObject(body)) return body;
  const type = partsOf(record.key)?.type;
  if (type === "acks") return { ...body, logs: [] };
  if (type === "site-summary" || type === "region-summary") return { ...body, acks: [] };
  const { claimedAt } = body;
  if (typeof claimedAt !== "number" || claimedAt <= limit) return body;
  return { ...body, claimedAt: tick(state.clock, wall) };
}
