import { memberBody, statusBody } from "../records/bodies.ts";
import { memberKey, partsOf } from "../records/keys.ts";
import { newestOf } from "../records/log.ts";
import { bodyOf, slotOf, type MeshRecord, type NodeId } from "../records/record.ts";
import type { Gateway } from "../records/summaries.ts";
import { findRecord } from "../records/store.ts";
import { refusalOf } from "../trust/authorise.ts";
import { persist, unpersist } from "./durable.ts";
import { detailOf, type Guest } from "./levels.ts";
import { factsOf, sharedBody } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { trustView } from "./trust-view.ts";
import type { Turn } from "./turn.ts";

/**
 * Nodes whose roster record is not kept here, and whose membership is proven nevertheless: by their record
 * and those of their enrollers up to the mesh root.
 *
 * Whoever holds a record holds its author's credentials, so every peer that passes a record on can prove
 * who wrote it. Guests are on our disk beside the records.
 */

const guestsMax = 1_024;
/** Of those that prove nothing we hold: enough to find a way back from once nobody else is reached. */
const idleMax = 16;
/** From a member to the root. Longer chains prove nothing here. */
export const chainMax = 16;

/** Takes a record of a scope that we do not keep, if it tells who somebody is or where a guest is reached. */
export function admitGuest(turn: Turn, record: MeshRecord): void {
  const { state, env } = turn;
  if (detailOf(state) === "mesh" || !isAboutGuests(record)) return;
  const held = heldOf(state, record);
  if (held !== undefined && held.version >= record.version) return;
  if (refusalOf(record, trustView(state), env.crypto) !== undefined) return;
  if (keepGuest(turn, record)) persist(turn, [record]);
  if (turn.state.levels.guests.size > guestsMax) makeRoom(turn);
}

/**
 * The same from our own disk, where it was judged when it came. Whoever introduced us told us of its own place
 * too: what of that tells of no guest goes, since nobody would ever tell us that it is void.
 */
export function restoreGuests(turn: Turn, records: readonly MeshRecord[]): void {
  const useless = new Set(records);
  // Where somebody is reached is kept with who it is.
  for (const kind of ["roster", "fact"])
    for (const record of records)
      if (record.kind === kind && isAboutGuests(record) && keepGuest(turn, record)) useless.delete(record);
  if (useless.size > 0) unpersist(turn, [...useless].map(slotOf));
}

/** The records that prove a node's membership, and where it is reached. */
export function credentialsOf(state: NodeState, id: NodeId): readonly MeshRecord[] {
  const chain = proofOf(state, id);
  const status =
    findRecord(state.store, `node/${id}/status`, id) ?? state.levels.guests.get(id)?.status?.record;
  return status === undefined || chain.length === 0 ? chain : [...chain, status];
}

/** The records that prove a node's membership, the root's first. */
export function proofOf(state: NodeState, id: NodeId): readonly MeshRecord[] {
  const chain: MeshRecord[] = [];
  for (let at = id; at !== state.identity.mesh.id;) {
    const record = memberRecord(state, at);
    if (record === undefined || chain.length >= chainMax) return [];
    chain.unshift(record);
    at = record.author;
  }
  return chain;
}

/**
 * `host:port` of a node, best first, as far as it told: us, or those who speak for its place. Who is admitted
 * elsewhere and the others of its site know each other by name alone until they meet.
 */
export function addressesOf(state: NodeState, id: NodeId): readonly string[] {
  const own = ownAddresses(state, id);
  if (own !== undefined) return own;
  for (const gateway of gatewaysTold(state)) if (gateway.id === id) return gateway.addresses;
  return [];
}

/** As far as the node told us itself. */
export function ownAddresses({ index, levels }: NodeState, id: NodeId): readonly string[] | undefined {
  const status = factsOf(index, id)?.status?.body ?? levels.guests.get(id)?.status?.body;
  return status?.addresses;
}

/** Of our region's sites and of all regions. */
export function* gatewaysTold({ index }: NodeState): Generator<Gateway> {
  for (const summaries of [index.siteSummaries, index.regionSummaries])
    for (const { body } of summaries.values()) yield* body.gateways;
}

/** What proves the authors of all that we hold, enrollers first; bounded. */
export function authorsProven(state: NodeState): readonly MeshRecord[] {
  const found = new Set<MeshRecord>();
  for (const log of [...state.store.logs.values()].sort((left, right) =>
    left.author < right.author ? -1 : 1,
  )) {
    if (found.size >= guestsMax || newestOf(log) === 0) continue;
    for (const record of credentialsOf(state, log.author)) found.add(record);
  }
  return [...found];
}

/** Of these the guests, whose records are in no scope of ours. */
export function guestRecords(state: NodeState): readonly MeshRecord[] {
  return authorsProven(state).filter(({ key }) => {
    const parts = partsOf(key);
    return parts !== undefined && "node" in parts && state.levels.guests.has(parts.node);
  });
}

/** Guests that a node admitted, and where they are reached: of one site, nobody else may know them yet. */
export function admittedBy({ levels }: NodeState, id: NodeId): readonly MeshRecord[] {
  return [...levels.guests.values()].flatMap(({ record, status }) => {
    if (record.author !== id) return [];
    return status === undefined ? [record] : [record, status.record];
  });
}

function isAboutGuests({ key, kind }: MeshRecord): boolean {
  const type = partsOf(key)?.type;
  return (kind === "roster" && type === "member") || (kind === "fact" && type === "status");
}

function heldOf({ levels }: NodeState, record: MeshRecord): MeshRecord | undefined {
  const parts = partsOf(record.key);
  if (parts?.type === "member") return levels.guests.get(parts.node)?.record;
  return parts?.type === "status" ? levels.guests.get(parts.node)?.status?.record : undefined;
}

/** @returns whether it was taken. */
function keepGuest({ state, env }: Turn, record: MeshRecord): boolean {
  const { guests } = state.levels;
  const parts = partsOf(record.key);
  if (parts?.type === "status") {
    const guest = guests.get(parts.node);
    const body = statusBody(bodyOf(record));
    if (guest === undefined || body === undefined) return false;
    guest.status = { record, body };
    return true;
  }
  const member = sharedBody(memberBody, record);
  if (parts?.type !== "member" || member === undefined) return false;
  const held = guests.get(parts.node);
  if (held !== undefined && held.record.version > record.version) return false;
  guests.set(parts.node, { record, member, status: held?.status, usedAt: env.now });
  state.levels.grew = true;
  return true;
}

function memberRecord(state: NodeState, id: NodeId): MeshRecord | undefined {
  const author = state.index.memberById.get(id)?.author;
  if (author !== undefined) return findRecord(state.store, memberKey(id), author);
  const guest = state.levels.guests.get(id);
  return guest?.record;
}

/** Forgets who was used least recently, and proves nothing that we hold. */
export function makeRoom(turn: Turn): void {
  const { state } = turn;
  const { guests, links } = state.levels;
  if (guests.size <= idleMax) return;
  const needed = new Set<NodeId>();
  for (const log of state.store.logs.values()) if (newestOf(log) > 0) needed.add(log.author);
  for (const { record } of state.pending.values()) needed.add(record.author);
  for (const { record } of guests.values()) needed.add(record.author);
  for (const { peer } of links.values()) needed.add(peer);
  const idle = [...guests]
    .filter(([id]) => !needed.has(id))
    .sort(([left, a], [right, b]) => a.usedAt - b.usedAt || (left < right ? -1 : 1))
    .slice(0, -idleMax);
  for (const [id, guest] of idle) forgetGuest(turn, id, guest);
}

/** Forgets guests whose admission is void, and where those are reached who are no members any more. @returns the former. */
export function dropGuests(turn: Turn, isVoid: (record: MeshRecord) => boolean): readonly NodeId[] {
  const dropped: NodeId[] = [];
  for (const [id, guest] of turn.state.levels.guests) {
    const { record, status } = guest;
    if (isVoid(record)) {
      forgetGuest(turn, id, guest);
      dropped.push(id);
    } else if (status !== undefined && isVoid(status.record)) {
      guest.status = undefined;
      unpersist(turn, [slotOf(status.record)]);
    }
  }
  return dropped;
}

function forgetGuest(turn: Turn, id: NodeId, guest: Guest): void {
  turn.state.levels.guests.delete(id);
  unpersist(turn, slotsOf(guest));
}

const slotsOf = ({ record, status }: Guest): string[] =>
  status === undefined ? [slotOf(record)] : [slotOf(record), slotOf(status.record)];
