import { wallOf, type Version } from "../kernel/hybrid-clock.ts";
import { gravestoneOf } from "../intents/grave.ts";
import { logName, newestOf } from "../records/log.ts";
import type { WallTime } from "../kernel/time.ts";
import { isTombstone, type MeshRecord, type NodeId } from "../records/record.ts";
import { keeps } from "../records/scope.ts";
import { isAbsent, reckonedWall } from "./absence.ts";
import { heldUpTo } from "./held.ts";
import { publishIntentGone } from "./own-records.ts";
import { factsOf, isMember, type Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { knownElsewhere } from "./known-elsewhere.ts";
import type { Turn } from "./turn.ts";

/**
 * The end of the intents behind a deletion. Only its author can take a record away, and it must not while
 * somebody may still bring in an edit that had not heard of the deletion: that edit could outlive it, and
 * the object would live on without what this record says. So everybody must have said that they know all
 * of the object, and how far their own writes went when they said so; and we must hold those writes.
 *
 * The record with the deletion that counts goes last, when nobody has any of the others any more.
 */
export function buryDead(turn: Turn): void {
  const { state } = turn;
  // A write under way was planned on the records as they are.
  if (state.inFlight !== undefined || state.index.dead.size === 0) return;
  for (const key of state.deadSince.keys()) if (!state.index.dead.has(key)) state.deadSince.delete(key);
  const wall = reckonedWall(state, turn.env);
  for (const key of [...state.index.dead].sort()) {
    const entries = state.index.entriesByObject.get(key);
    const grave = entries === undefined ? undefined : gravestoneOf([...entries.values()]);
    if (entries === undefined || grave === undefined || !isOld(turn, key, grave.version)) continue;
    const records = [...entries.keys()].flatMap((slot) => state.store.bySlot.get(slot) ?? []);
    const own = records.filter((record) => record.author === state.identity.id && !isTombstone(record));
    const due = own.filter((record) => {
      const entry = entries.get(`${record.key}\0${record.author}`);
      const last = entry?.author === grave.author && entry.manager === grave.manager;
      return !last || records.length === 1;
    });
    if (due.length === 0 || !knownToAll(state, wall, records)) continue;
    for (const record of due) publishIntentGone(turn, record.key);
  }
}

/** By the stamp, or by our own clock since we saw it: stamps may lie far ahead, and agents restart. */
function isOld({ state, env }: Turn, key: string, version: Version): boolean {
  const seen = state.deadSince.get(key);
  const since = seen?.version === version ? seen.at : env.now;
  state.deadSince.set(key, { version, at: since });
  return Math.max(env.wall - wallOf(version), env.now - since) >= state.config.keepDeleted;
}

/** Logs with records of dead objects, and the newest of those: what members are asked to acknowledge. */
export function deadByLog({
  index,
  store,
}: Pick<NodeState, "index" | "store">): ReadonlyMap<string, Version> {
  const newest = new Map<string, Version>();
  for (const key of index.dead) {
    for (const slot of index.entriesByObject.get(key)?.keys() ?? []) {
      const record = store.bySlot.get(slot);
      if (record === undefined) continue;
      const name = logName(record);
      newest.set(name, Math.max(newest.get(name) ?? 0, record.version));
    }
  }
  return newest;
}

/** How far our own intents went: said together with what we acknowledge. */
export function ownIntentsHead({ store, identity }: NodeState): Version {
  const log = store.logs.get(logName({ scope: "mesh", kind: "intent", author: identity.id }));
  return log === undefined ? 0 : newestOf(log);
}

/** Whether every member that counts, and every other place, knows these records, and we all they wrote before. */
function knownToAll(state: NodeState, wall: WallTime, records: readonly MeshRecord[]): boolean {
  for (const [id, { body }] of state.index.memberById) {
    if (id === state.identity.id || !isMember(state.index, id) || !keeps(body, "mesh")) continue;
    if (isAbsent(state, id, wall)) continue;
    if (!knows(state, state.index, id, records)) return false;
  }
  return records.every(({ author, version }) => version <= knownElsewhere(state, wall, author));
}

function knows(state: NodeState, index: Index, member: NodeId, records: readonly MeshRecord[]): boolean {
  const acks = factsOf(index, member)?.acks?.body.logs ?? [];
  const own = acks.find((ack) => ack.author === member && ack.kind === "intent" && ack.scope === "mesh");
  if (own === undefined || own.head > heldUpTo(state, member)) return false;
  return records.every(
    ({ scope, kind, author, version }) =>
      author === member ||
      acks.some(
        (ack) => ack.scope === scope && ack.kind === kind && ack.author === author && ack.head >= version,
      ),
  );
}
