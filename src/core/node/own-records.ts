import { tick } from "../kernel/hybrid-clock.ts";
import type { Json } from "../kernel/json.ts";
import { equalBytes } from "../kernel/bytes.ts";
import { jsonBytes } from "../kernel/json.ts";
import type { AcksBody, ExclusiveBody, FloorsBody, JobBody, PodBody } from "../records/bodies.ts";
import type { HealthBody } from "../records/health.ts";
import {
  acksKey,
  exclusiveKey,
  floorsKey,
  goneKey,
  healKey,
  healthKey,
  jobKey,
  linksKey,
  meshFloorsKey,
  podKey,
  statusKey,
} from "../records/keys.ts";
import { draftRecord, isTombstone, type MeshRecord, type RecordKind } from "../records/record.ts";
import { detailScope, type Scope } from "../records/scope.ts";
import { findRecord, putRecord } from "../records/store.ts";
import { detailOf } from "./levels.ts";
import { indexRecord } from "./records-index.ts";
import { changed, type Turn } from "./turn.ts";
import { ownClass } from "./uplink-class.ts";

/** What this node says of itself, signed and spread as soon as it is true. */

export function publishStatus(turn: Turn): void {
  const { status, identity } = turn.state;
  if (status === undefined) return;
  // Both ends of a link must know what it counts as: signs of life are as rare as that.
  publishFact(turn, statusKey(identity.id), { ...status, uplink: ownClass(turn.state) });
}

export function publishLinks(turn: Turn, peers: readonly string[], gone: readonly string[]): void {
  publishFact(turn, linksKey(turn.state.identity.id), gone.length === 0 ? { peers } : { peers, gone });
}

export function publishPod(turn: Turn, uid: string, body: PodBody | undefined): void {
  publishFact(turn, podKey(turn.state.identity.id, uid), body as Json | undefined);
}

export function publishJob(turn: Turn, uid: string, body: JobBody | undefined): void {
  publishFact(turn, jobKey(turn.state.identity.id, uid), body);
}

export function publishHeals(turn: Turn): void {
  publishFact(turn, healKey(turn.state.identity.id), { reports: turn.state.heals });
}

export function publishHealth(turn: Turn, body: HealthBody): void {
  publishFact(turn, healthKey(turn.state.identity.id), body);
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

/** Floors of logs that everybody keeps, told to everybody. */
export function publishMeshFloors(turn: Turn, floors: FloorsBody): void {
  publishFact(turn, meshFloorsKey(turn.state.identity.id), floors, "mesh");
}

/** What is told of a place to those who do not keep its detail. */
export function publishSummary(turn: Turn, key: string, scope: Scope, summary: Json): void {
  publish(turn, "fact", scope, key, summary);
}

export function publishLeave(turn: Turn, reason: string): void {
  publish(turn, "roster", "mesh", goneKey(turn.state.identity.id), { how: "left", reason });
}

/** Takes our configuration of a dead object away. */
export function publishIntentGone(turn: Turn, key: string): void {
  publish(turn, "intent", "mesh", key, undefined);
}

function publishFact(
  turn: Turn,
  key: string,
  body: Json | undefined,
  scope = detailScope(detailOf(turn.state), turn.state.identity),
): void {
  const held = findRecord(turn.state.store, key, turn.state.identity.id);
  if (held === undefined && body === undefined) return;
  if (held !== undefined && sameBody(held, body)) return;
  publish(turn, "fact", scope, key, body);
}

function publish(turn: Turn, kind: RecordKind, scope: Scope, key: string, body: Json | undefined): void {
  const { state, env } = turn;
  const version = tick(state.clock, env.wall);
  const draft = { scope, key, version, kind, body };
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
