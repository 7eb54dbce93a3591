import type { Version } from "../kernel/hybrid-clock.ts";
import { equalJson, type Json } from "../kernel/json.ts";
import type { NodeId } from "../records/record.ts";
import type { ConflictSide, FieldConflict, IntentEntry, IntentWrite, ManagerClass } from "./contract.ts";
import { itemsAround, leafAt, parsePath } from "./path.ts";
import type { Schema } from "./schema.ts";

/**
 * From the writes of all managers and authors to the one value of each leaf.
 *
 * 1. Which writes belong to the object's present life: what an effective delete has not seen is either a
 *    new life or raced with it; the newer of the race wins.
 * 2. Per manager and leaf the newest write counts. Among managers the higher class wins, then the newer.
 * 3. Writes none of which had seen the other, with different values, are a conflict.
 *
 * Every step looks at sets only, so the order of the entries cannot matter.
 */
export type Resolved = {
  /** Path -> winning operation, for every leaf that has a value. */
  readonly leaves: ReadonlyMap<string, Op & { readonly op: "set" }>;
  /** Manager -> the leaves it owns. */
  readonly owned: ReadonlyMap<string, ReadonlyMap<string, Op>>;
  readonly conflicts: readonly FieldConflict[];
  /** Writes of the present life; empty when the object does not exist. */
  readonly life: readonly Write[];
  /** Every write, for what was seen. */
  readonly all: readonly Write[];
};

export type Write = IntentWrite & {
  readonly author: NodeId;
  readonly manager: string;
  readonly class: ManagerClass;
};

export type Op = {
  readonly op: "set" | "release" | "remove";
  readonly value: Json | undefined;
  readonly write: Write;
};

export const objectPath = "(object)";

export function resolve(schema: Schema, entries: readonly IntentEntry[]): Resolved {
  const all = entries.flatMap(writesOf);
  const deletes = all.filter((write) => write.deletes === true);
  const edits = all.filter((write) => write.deletes !== true);
  const unseen = edits.filter((edit) => !deletes.some((del) => hasSeen(del, edit)));
  const racing = (del: Write): Write[] => unseen.filter((edit) => !hasSeen(edit, del));
  const effective = deletes.filter((del) => racing(del).every((edit) => isOlder(edit, del)));
  const isAlive = (write: Write): boolean =>
    write.deletes !== true && effective.every((del) => hasSeen(write, del));
  const life = edits.filter(isAlive);
  const objectConflicts = deletes.flatMap((del) => raceOf(del, racing(del), all));
  const opsByPath = collectOps(entries, isAlive);
  const owned = new Map<string, Map<string, Op>>();
  const winners = new Map<string, Op & { op: "set" }>();
  const fieldConflicts: FieldConflict[] = [];
  for (const path of [...opsByPath.keys()].sort()) {
    const ops = opsByPath.get(path) ?? [];
    const claims = claimsOf(ops);
    for (const claim of claims) own(owned, claim.write.manager, path, claim);
    const winner = best(claims);
    if (winner?.op === "set") winners.set(path, { ...winner, op: "set" });
    const conflict = conflictOf(schema, path, ops, winner);
    if (conflict !== undefined) fieldConflicts.push(conflict);
  }
  const leaves = withoutOrphans(winners);
  return { leaves, owned, conflicts: [...objectConflicts, ...fieldConflicts], life, all };
}

/** Whether the author of `write` knew of `other` when it wrote. */
export function hasSeen(write: Write, other: Write): boolean {
  if (write.author === other.author) return write.version > other.version;
  return (write.seen[other.author] ?? 0) >= other.version;
}

export function isOlder(left: Write, right: Write): boolean {
  return left.version < right.version || (left.version === right.version && left.author < right.author);
}

/** What an author has seen of an object: the newest version of each author's part. */
export function seenBy(all: readonly Write[], self: NodeId): { [author: NodeId]: Version } {
  const seen: { [author: NodeId]: Version } = {};
  for (const { author, version } of all) {
    if (author !== self) seen[author] = Math.max(seen[author] ?? 0, version);
  }
  return seen;
}

function writesOf({ author, manager, body }: IntentEntry): Write[] {
  return body.writes.map((write) => ({ ...write, author, manager, class: body.class }));
}

function collectOps(entries: readonly IntentEntry[], isAlive: (write: Write) => boolean): Map<string, Op[]> {
  const byPath = new Map<string, Op[]>();
  for (const entry of entries) {
    const writes = writesOf(entry);
    for (const [path, field] of Object.entries(entry.body.fields)) {
      const write = writes[field.write];
      if (write === undefined || !isAlive(write)) continue;
      const ops = byPath.get(path) ?? [];
      byPath.set(path, ops);
      ops.push({ op: field.op, value: field.op === "set" ? field.value : undefined, write });
    }
  }
  return byPath;
}

/** Each manager's newest word on a leaf; releases have done their work and drop out. */
function claimsOf(ops: readonly Op[]): Op[] {
  const byManager = new Map<string, Op>();
  for (const op of ops) {
    const held = byManager.get(op.write.manager);
    if (held === undefined || isOlder(held.write, op.write)) byManager.set(op.write.manager, op);
  }
  return [...byManager.values()].filter(({ op }) => op !== "release");
}

const rankOf: { readonly [name in ManagerClass]: number } = { user: 0, git: 1, override: 2 };

function best(claims: readonly Op[]): Op | undefined {
  let winner: Op | undefined;
  for (const claim of claims) {
    if (winner === undefined || beats(claim.write, winner.write)) winner = claim;
  }
  return winner;
}

function beats(left: Write, right: Write): boolean {
  const difference = rankOf[left.class] - rankOf[right.class];
  if (difference !== 0) return difference > 0;
  if (left.version !== right.version || left.author !== right.author) return isOlder(right, left);
  return left.manager > right.manager;
}

/** A manager owns a leaf while the value it set stands, or nobody who knew of it set another. */
function own(owned: Map<string, Map<string, Op>>, manager: string, path: string, claim: Op): void {
  if (claim.op !== "set") return;
  const leaves = owned.get(manager) ?? new Map<string, Op>();
  owned.set(manager, leaves);
  leaves.set(path, claim);
}

function conflictOf(
  schema: Schema,
  path: string,
  ops: readonly Op[],
  winner: Op | undefined,
): FieldConflict | undefined {
  if (winner === undefined || ops.length < 2) return undefined;
  const open = ops.filter(
    (op) => op.op !== "release" && !ops.some((other) => other !== op && hasSeen(other.write, op.write)),
  );
  const losers = open.filter((op) => !equalJson(op.value, winner.value));
  if (losers.length === 0 || open.length < 2) return undefined;
  const steps = parsePath(path);
  const kind = steps === undefined ? undefined : leafAt(schema, steps);
  if (kind?.type !== "value") return undefined;
  return { path, winner: sideOf(winner), losers: inOrder(losers).map(sideOf) };
}

/** A delete and the edits that raced with it, until somebody who knows of both has written. */
function raceOf(del: Write, racing: readonly Write[], all: readonly Write[]): FieldConflict[] {
  if (racing.length === 0) return [];
  const settled = all.some((later) => hasSeen(later, del) && racing.every((edit) => hasSeen(later, edit)));
  if (settled) return [];
  const sides = inOrder([...racing, del].map((write) => ({ op: "set" as const, value: undefined, write })));
  const [newest, ...others] = [...sides].reverse();
  if (newest === undefined) return [];
  return [{ path: objectPath, winner: sideOf(newest), losers: others.map(sideOf) }];
}

function inOrder(ops: readonly Op[]): Op[] {
  return [...ops].sort((left, right) => (isOlder(left.write, right.write) ? -1 : 1));
}

function sideOf({ value, write }: Op): ConflictSide {
  const said = write.deletes === true ? "(deleted)" : value;
  return {
    value: said,
    author: write.author,
    manager: write.manager,
    actor: write.actor,
    version: write.version,
  };
}

/** Leaves of a list item that somebody took away are gone with it. */
function withoutOrphans(winners: ReadonlyMap<string, Op & { op: "set" }>): Map<string, Op & { op: "set" }> {
  const kept = new Map<string, Op & { op: "set" }>();
  for (const [path, op] of winners) {
    const steps = parsePath(path);
    if (steps !== undefined && itemsAround(steps).every((item) => winners.has(item))) kept.set(path, op);
  }
  return kept;
}
