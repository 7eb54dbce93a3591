import { tick } from "../kernel/hybrid-clock.ts";
import type { Json } from "../kernel/json.ts";
import { equalBytes } from "../kernel/bytes.ts";
import { jsonBytes } from "../kernel/json.ts";
import type { AcksBody, ExclusiveBody, FloorsBody, PodBody } from "../records/bodies.ts";
import {
  acksKey,
  exclusiveKey,
  floorsKey,
  goneKey,
  healKey,
  linksKey,
  podKey,
  statusKey,
} from "../records/keys.ts";
import { draftRecord, isTombstone, type MeshRecord, type RecordKind } from "../records/record.ts";
import { findRecord, putRecord } from "../records/store.ts";
import { indexRecord } from "./records-index.ts";
import { changed, type Turn } from "./turn.ts";

/** What this node says of itself, signed and spread as soon as it is true. */

export function publishStatus(turn: Turn): void {
  const { status, identity } = turn.state;
  if (status !== undefined) publishFact(turn, statusKey(identity.id), status);
}

export function publishLinks(turn: Turn, peers: readonly string[], gone: readonly string[]): void {
  publishFact(turn, linksKey(turn.state.identity.id), gone.length === 0 ? { peers } : { peers, gone });
}

export function publishPod(turn: Turn, uid: string, body: PodBody | undefined): void {
  publishFact(turn, podKey(turn.state.identity.id, uid), body as Json | undefined);
}

export function publishHeals(turn: Turn): void {
  publishFact(turn, healKey(turn.state.identity.id), { reports: turn.state.heals });
}

export function publishExclusive(turn: Turn, body: ExclusiveBody): void {
  publishFact(turn, exclusiveKey(turn.state.identity.id), body);
}

export function publishAcks(turn: Turn, acks: AcksBody): void {
  publishFact(turn, acksKey(turn.state.identity.id), acks);
}

export function publishFloors(turn: Turn, floors: FloorsBody): void {
  publishFact(turn, floorsKey(turn.state.identity.id), floors);
}

export function publishLeave(turn: Turn, reason: string): void {
  publish(turn, "roster", goneKey(turn.state.identity.id), { how: "left", reason });
}

function publishFact(turn: Turn, key: string, body: Json | undefined): void {
  const held = findRecord(turn.state.store, key, turn.state.identity.id);
  if (held === undefined && body === undefined) return;
  if (held !== undefined && sameBody(held, body)) return;
  publish(turn, "fact", key, body);
}

function publish(turn: Turn, kind: RecordKind, key: string, body: Json | undefined): void {
  const { state, env } = turn;
  const version = tick(state.clock, env.wall);
  const draft = { scope: "mesh", key, version, kind, body } as const;
  // Signed at the end of the turn, together with what else it brings: see `flush`.
  const record = draftRecord(draft, state.identity.id, env.crypto);
  putRecord(state.store, record);
  const change = indexRecord(state.index, record);
  if (change !== undefined) changed(turn, ...change.changed);
  turn.fresh.push({ record, from: undefined });
}

function sameBody(held: MeshRecord, body: Json | undefined): boolean {
  if (body === undefined) return isTombstone(held);
  return equalBytes(held.body, jsonBytes(body));
}
