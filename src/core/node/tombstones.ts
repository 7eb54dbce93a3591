import type { Version } from "../kernel/hybrid-clock.ts";
import type { FloorsBody } from "../records/bodies.ts";
import { digestOf, logName, newestOf, standingUpTo, type Log } from "../records/log.ts";
import { isTombstone, slotOf, type MeshRecord, type NodeId } from "../records/record.ts";
import { isScope, keeps } from "../records/scope.ts";
import { dropRecord } from "../records/store.ts";
import type { LogRef } from "../sync/contract.ts";
import { isAbsent, reckonedWall } from "./absence.ts";
import { unpersist } from "./durable.ts";
import { floorsKey, meshFloorsKey } from "../records/keys.ts";
import { heldUpTo, isIntent } from "./held.ts";
import { publishAcks, publishFloors, publishMeshFloors } from "./own-records.ts";
import { buryDead, deadByLog, ownIntentsHead } from "./graves.ts";
import { factsOf, indexRecord, isMember } from "./records-index.ts";
import { detailOf } from "./levels.ts";
import { knownElsewhere } from "./known-elsewhere.ts";
import { changed, note, type Turn } from "./turn.ts";

/**
 * The end of tombstones. Every member says how far it knows the logs that hold some (`acks`); once all
 * have them, their author says that they are dropped (`floors`), and everybody drops them. What counts
 * is the author's signed word, so all who hold the same records agree on what is left.
 *
 * A member that was away for very long is not waited for. It may come back with what was deleted
 * meanwhile: the floor carries a digest of what is left, and whatever it holds beyond that is dead.
 */

export function tendTombstones(turn: Turn): void {
  const { state, env } = turn;
  if (!state.booted || env.now < state.tombstonesAt) return;
  state.tombstonesAt = env.now + state.config.tombstoneEvery;
  // What is on its way to our disk was written without what we would acknowledge.
  if (state.inFlight === undefined) acknowledge(turn);
  buryDead(turn);
  if (detailOf(state) === "mesh") return raiseFloors(turn, () => true, "floors", publishFloors);
  // Who holds a record must hear of its end: floors travel as far as the log that they are of.
  raiseFloors(turn, (scope) => scope !== "mesh", "floors", publishFloors);
  raiseFloors(turn, (scope) => scope === "mesh", "meshFloors", publishMeshFloors);
}

/** A node's word that its tombstones are gone: they go here, too. */
export function collect(turn: Turn, author: NodeId): void {
  const { state } = turn;
  const floors = floorsOf(turn, author);
  const slots: string[] = [];
  for (const { scope, kind, upTo, digest } of floors) {
    if (!isScope(scope)) continue;
    const log = state.store.logs.get(logName({ scope, kind, author }));
    const dead = (log?.records ?? []).filter(
      (record) => record.live && isTombstone(record) && record.version <= upTo,
    );
    for (const record of dead) slots.push(forget(turn, record));
    // More of the log may come within this turn.
    const ref = { scope, kind, author };
    if (!matches(turn, ref, { upTo, digest })) turn.floorMatches.delete(logName(ref));
  }
  if (slots.length > 0) unpersist(turn, slots);
}

/**
 * Whether a record that we do not hold was dropped for good: its author said so, and we agree with it. Of the
 * facts of somebody who is gone only some still stand, so nobody can agree with what was left of them; what
 * somebody still holds of those stands everywhere.
 */
export function isCollected(turn: Turn, record: MeshRecord): boolean {
  if (record.kind === "fact" && turn.state.index.goneSince.has(record.author)) return false;
  const floor = floorOf(turn, record);
  if (floor === undefined || record.version > floor.upTo) return false;
  return isTombstone(record) || matches(turn, record, floor);
}

/** Records that a peer in the same scope lacks: those that were deleted while we were away go. */
export function dropDead(turn: Turn, records: readonly MeshRecord[]): void {
  const { state } = turn;
  const suspects = new Map<string, MeshRecord[]>();
  for (const record of records) {
    const floor = floorOf(turn, record);
    if (floor === undefined || record.version > floor.upTo || !record.live) continue;
    if (record.author === state.identity.id || isTombstone(record)) continue;
    suspects.set(logName(record), [...(suspects.get(logName(record)) ?? []), record]);
  }
  const slots: string[] = [];
  for (const [name, dead] of suspects) {
    const log = state.store.logs.get(name);
    const [first] = dead;
    const floor = first === undefined ? undefined : floorOf(turn, first);
    if (log === undefined || floor === undefined) continue;
    const rest = [...standingUpTo(log, floor.upTo)].filter((record) => !dead.includes(record));
    if (digestOf(rest) !== floor.digest) continue;
    for (const record of dead) slots.push(forget(turn, record));
    state.wholeUpTo.set(name, floor.upTo);
    note(
      turn,
      "info",
      "Collected",
      `${dead.length} records of ${log.author} were deleted while we were away`,
    );
  }
  if (slots.length > 0) unpersist(turn, slots);
}

/** Says how far we know logs with tombstones, where the last word is not enough any more. */
function acknowledge(turn: Turn): void {
  const { state } = turn;
  const { identity, index, store } = state;
  const before = factsOf(index, identity.id)?.acks?.body.logs ?? [];
  const said = new Map(
    before.flatMap((ack) => (isScope(ack.scope) ? [[logName({ ...ack, scope: ack.scope }), ack.head]] : [])),
  );
  const dead = deadByLog(state);
  const logs = [...store.logs.values()].flatMap((log) => {
    const { scope, kind, author, head } = log;
    const newest = Math.max(newestTombstone(log), dead.get(logName(log)) ?? 0);
    if (author === identity.id || newest === 0) return [];
    const held = said.get(logName(log)) ?? 0;
    // Of intents only what outlives a crash of ours: afterwards we must not write as if we had not known.
    const known = isIntent(log) ? Math.min(head, heldUpTo(state, author)) : head;
    return [{ scope, kind, author, head: held >= newest || known < newest ? held : known }];
  });
  logs.sort((left, right) => (logName(left) < logName(right) ? -1 : 1));
  const own = { scope: "mesh", kind: "intent", author: identity.id } as const;
  const moved = logs.some((ack) => said.get(logName({ ...ack })) !== ack.head) || !said.has(logName(own));
  // Our own writes up to now are all that may not have known what we acknowledge with this.
  const head = moved ? ownIntentsHead(state) : (said.get(logName(own)) ?? 0);
  if (logs.length > 0) publishAcks(turn, { logs: [{ ...own, head }, ...logs.slice(0, 4095)] });
  else if (before.length > 0) publishAcks(turn, { logs: [] });
}

/** Drops our own tombstones that everybody has, and says so. */
function raiseFloors(
  turn: Turn,
  within: (scope: string) => boolean,
  fact: "floors" | "meshFloors",
  publishThem: (turn: Turn, floors: FloorsBody) => void,
): void {
  const { state } = turn;
  const { identity, index, store } = state;
  const before = factsOf(index, identity.id)?.[fact]?.body.logs ?? [];
  // The word that we are about to give takes the place of the last one, which nobody will hold beside it.
  const own = fact === "floors" ? floorsKey(identity.id) : meshFloorsKey(identity.id);
  const digestUpTo = (log: Log, upTo: Version): string =>
    digestOf([...standingUpTo(log, upTo)].filter(({ key }) => key !== own));
  let raised = false;
  const floors = before.map((floor) => {
    const { scope, kind, upTo } = floor;
    // Said by a clock that ran ahead: all that we write from now on, this word too, would lie below it.
    if (upTo <= state.clock.last || !isScope(scope)) return { ...floor };
    const log = store.logs.get(logName({ scope, kind, author: identity.id }));
    raised = true;
    return { ...floor, upTo: log === undefined ? 0 : newestOf(log) };
  });
  for (const [at, floor] of floors.entries()) {
    const { scope, kind, upTo } = floor;
    const log = isScope(scope) ? store.logs.get(logName({ scope, kind, author: identity.id })) : undefined;
    const digest = log === undefined ? floor.digest : digestUpTo(log, upTo);
    // Something below the floor was written anew: what is left there is less, and must be said.
    if (digest === floor.digest) continue;
    floors[at] = { ...floor, digest };
    raised = true;
  }
  for (const log of store.logs.values()) {
    if (log.author !== identity.id || !within(log.scope) || newestTombstone(log) === 0) continue;
    const upTo = knownToAll(turn, log);
    if (!log.records.some((record) => record.live && isTombstone(record) && record.version <= upTo)) continue;
    const digest = digestUpTo(log, upTo);
    const { scope, kind } = log;
    const held = floors.findIndex((floor) => floor.scope === scope && floor.kind === kind);
    if (held >= 0) floors.splice(held, 1);
    floors.push({ scope, kind, upTo, digest });
    raised = true;
  }
  if (!raised) return;
  publishThem(turn, { logs: floors });
  collect(turn, identity.id);
}

/** The stamp up to which every member that counts has acknowledged our log. */
function knownToAll({ state, env }: Turn, log: Log): Version {
  const wall = reckonedWall(state, env);
  let upTo = newestOf(log);
  for (const [id, { body }] of state.index.memberById) {
    if (id === state.identity.id || !isMember(state.index, id) || !keeps(body, log.scope)) continue;
    if (isAbsent(state, id, wall)) continue;
    const ack = factsOf(state.index, id)?.acks?.body.logs.find(
      ({ scope, kind, author }) => scope === log.scope && kind === log.kind && author === log.author,
    );
    upTo = Math.min(upTo, ack?.head ?? 0);
  }
  return log.scope === "mesh" ? Math.min(upTo, knownElsewhere(state, wall, log.author)) : upTo;
}

type Floor = { readonly upTo: Version; readonly digest: string };

function floorOf({ state }: Turn, { author, scope, kind }: MeshRecord): Floor | undefined {
  return floorsOf({ state }, author).find((floor) => floor.scope === scope && floor.kind === kind);
}

/** Nobody speaks of what it has yet to write: such a floor was found by a clock that ran ahead. */
function floorsOf({ state }: Pick<Turn, "state">, author: NodeId): FloorsBody["logs"] {
  const facts = factsOf(state.index, author);
  return [facts?.floors, facts?.meshFloors].flatMap((said) =>
    said === undefined ? [] : said.body.logs.filter(({ upTo }) => upTo <= said.version),
  );
}

/**
 * Whether we once held of the log exactly what its author said is left up to there. Then we lack nothing of
 * it for ever: what stands below a floor only becomes less, also before its author has said so anew.
 */
function matches({ state, floorMatches }: Turn, log: LogRef, floor: Floor): boolean {
  const name = logName(log);
  if ((state.wholeUpTo.get(name) ?? 0) >= floor.upTo) return true;
  const held = floorMatches.get(name);
  if (held !== undefined) return held;
  const own = state.store.logs.get(name);
  const found = own !== undefined && digestOf(standingUpTo(own, floor.upTo)) === floor.digest;
  floorMatches.set(name, found);
  if (found) state.wholeUpTo.set(name, floor.upTo);
  return found;
}

function newestTombstone({ records }: Log): Version {
  for (let at = records.length - 1; at >= 0; at--) {
    const record = records[at];
    if (record?.live === true && isTombstone(record)) return record.version;
  }
  return 0;
}

function forget(turn: Turn, record: MeshRecord): string {
  dropRecord(turn.state.store, record);
  const change = indexRecord(turn.state.index, record, true);
  if (change !== undefined) changed(turn, ...change.changed);
  return slotOf(record);
}
