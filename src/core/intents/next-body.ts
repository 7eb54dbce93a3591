import type { Version } from "../kernel/hybrid-clock.ts";
import { jsonBytes } from "../kernel/json.ts";
import { bodyBytesMax, type NodeId } from "../records/record.ts";
import { actorLengthMax, fieldsMax, writeIntentBody, writesMax } from "./body.ts";
import { conflictingClaims } from "./standing.ts";
import type { IntentBody, IntentField, IntentWrite, ManagerClass, PastWrite } from "./contract.ts";
import { compareWrites, sees, type Write } from "./life.ts";
import { boundPast, overwrittenBy } from "./past.ts";
import { isOverruled, type Claim, type ObjectState } from "./state.ts";
import type { Wishes } from "./wishes.ts";

export type NextWrite = {
  readonly state: ObjectState;
  readonly manager: string;
  readonly class: ManagerClass;
  readonly by: { readonly author: NodeId; readonly version: Version; readonly actor: string };
  readonly wishes: Wishes;
  readonly deletes: boolean;
};

/** How many of our words that no longer give a value are remembered; the oldest go first. */
const spentMax = 256;
/** Leaves of ours that others have overwritten and that are kept; the oldest go first. */
const overwrittenMax = 256;
/** Deletions of our own that are remembered, for writes that have not heard of them yet. */
const deletionsMax = 8;
/** From here on, leaves that stand undisputed are gathered under the new write. */
const writesBeforeGathering = 128;

/** A field of ours with the write it belongs to: by value, so that writes can be renumbered. */
type Held = { readonly path: string; readonly field: IntentField; readonly write: IntentWrite };

/**
 * The next body of our record: what it said before, less what is settled, plus the new write.
 *
 * Kept is whatever another node may still need in order to come to the same answer: leaves that count,
 * sides of live conflicts, releases and removals (up to a bound), the object's first write (its uid),
 * deletions, and edits that outlived one. Kept too, as far as there is room, is what somebody else overwrote:
 * it counts again when that one turns out to have written after the end of its membership.
 */
export function nextBody(next: NextWrite): IntentBody {
  const body = bodyWith(next, overwrittenMax);
  return bodyTooLarge(body) ? bodyWith(next, 0) : body;
}

function bodyWith(next: NextWrite, overwrittenKept: number): IntentBody {
  const { state, manager, by, wishes, deletes } = next;
  const own = state.entries.find((entry) => entry.author === by.author && entry.manager === manager);
  const write: IntentWrite = {
    version: by.version,
    seen: seenBy(state, by.author),
    actor: by.actor.slice(0, actorLengthMax),
    ...(deletes ? { deletes } : {}),
  };
  const ours: Held[] = [];
  for (const [path, field] of Object.entries(own?.body.fields ?? {})) {
    const made = own?.body.writes[field.write];
    if (made !== undefined && !wishes.has(path)) ours.push({ path, field, write: made });
  }
  const { unsettled, overwritten } = sorted(ours, next);
  let held = unsettled;
  const kept = keptWrites(own?.body.writes ?? [], next);
  if (kept.length + new Set(held.map(({ write: made }) => made)).size > writesBeforeGathering && !deletes) {
    held = gathered(held, write, next);
  }
  for (const [path, wish] of wishes) {
    const field: IntentField =
      wish.op === "set" ? { op: "set", write: 0, value: wish.value } : { op: wish.op, write: 0 };
    held.push({ path, field, write });
  }
  held.push(...overwritten.slice(0, overwrittenKept));
  const body = bodyOf(next.class, held, [...kept, write]);
  const past = nextPast(own?.body.past ?? [], next);
  return past.length > 0 ? { ...body, past } : body;
}

/** A new life begins without a past: before its first write there was nothing. */
function nextPast(before: readonly PastWrite[], { state, manager, by, wishes }: NextWrite): PastWrite[] {
  if (state.life.first === undefined) return [];
  const mine = { author: by.author, manager };
  return boundPast([...before, ...overwrittenBy(state, mine, by.version, wishes)]);
}

export function bodyTooLarge(body: IntentBody): boolean {
  return (
    body.writes.length > writesMax ||
    Object.keys(body.fields).length > fieldsMax ||
    jsonBytes(writeIntentBody(body)).length > bodyBytesMax
  );
}

/** What we have seen of an object: per other author, the newest record of it that we hold. */
function seenBy(state: ObjectState, self: NodeId): { readonly [author: NodeId]: Version } {
  const seen: { [author: NodeId]: Version } = {};
  for (const { author, version } of state.entries) {
    if (author !== self) seen[author] = Math.max(seen[author] ?? 0, version);
  }
  return seen;
}

/** Our leaves that still say something, and, newest first, those that others have overwritten. */
function sorted(
  held: readonly Held[],
  { state, manager, by }: NextWrite,
): { readonly unsettled: Held[]; readonly overwritten: readonly Held[] } {
  const claimOf = claimsByPath(state.living, by.author, manager);
  const alive = new Set(state.life.alive);
  const dead = new Set(state.writes.filter((write) => !alive.has(write)).map(({ version }) => version));
  const kept: Held[] = [];
  const spent: Held[] = [];
  const overwritten: Held[] = [];
  for (const field of held) {
    const claim = claimOf.get(field.path);
    if (claim === undefined) {
      // Not ours to judge when the kind does not have it; settled when it is of an earlier life.
      if (!dead.has(field.write.version)) kept.push(field);
    } else if (isSettled(claim, state)) {
      if (isOverwritten(claim, state)) overwritten.push(field);
    } else if (isSpent(claim, state)) spent.push(field);
    else kept.push(field);
  }
  const newestFirst = (left: Held, right: Held): number => right.write.version - left.write.version;
  spent.sort(newestFirst);
  return { unsettled: [...kept, ...spent.slice(0, spentMax)], overwritten: overwritten.sort(newestFirst) };
}

/**
 * Somebody of its own class who had seen it has said something else: it can never count again, nor be a
 * conflict's side. Below a higher class it counts again once that lets go.
 */
function isSettled(claim: Claim, state: ObjectState): boolean {
  const removal = state.removals.find((other) => other.claim === claim);
  if (removal !== undefined) return !removal.effective;
  const leaf = state.leaves.get(claim.path);
  if (leaf === undefined || !leaf.claims.includes(claim)) return false;
  const equals = leaf.claims.filter(({ write }) => write.rank <= claim.write.rank);
  if (claim.op === "set" && isOverruled(claim, equals)) return true;
  return leaf.claims.some(
    (other) =>
      other.write.manager === claim.write.manager &&
      compareWrites(other.write, claim.write) > 0 &&
      sees(other.write, claim.write),
  );
}

/** Others gave the leaf another value: theirs may be void one day. Nothing stands again that was let go of. */
function isOverwritten(claim: Claim, state: ObjectState): boolean {
  const later = state.leaves.get(claim.path)?.claims.filter(({ write }) => sees(write, claim.write)) ?? [];
  return (
    claim.op === "set" && later.every(({ op, write }) => op === "set" && write.author !== claim.write.author)
  );
}

/** Says nothing about the value any more, but may still have to answer a late writer. */
function isSpent(claim: Claim, state: ObjectState): boolean {
  const leaf = state.leaves.get(claim.path);
  if (leaf === undefined || !leaf.claims.includes(claim)) return true;
  return claim.op !== "set" && !conflictingClaims(leaf).includes(claim);
}

/** Writes that count although no leaf refers to them. */
function keptWrites(own: readonly IntentWrite[], { state, manager, by }: NextWrite): IntentWrite[] {
  const mine = new Map<Version, Write>();
  for (const write of state.writes) {
    if (write.author === by.author && write.manager === manager) mine.set(write.version, write);
  }
  const outlived = state.life.deletions.filter(({ effective }) => !effective);
  const deletions = own.filter(
    ({ version, deletes }) => deletes === true && !outlived.some(({ write }) => write === mine.get(version)),
  );
  const needed = own.filter(({ version }) => {
    const write = mine.get(version);
    if (write === undefined || write.deletes) return false;
    if (write === state.life.first) return true;
    return outlived.some(
      ({ write: deletion, concurrent }) => concurrent.includes(write) && compareWrites(write, deletion) > 0,
    );
  });
  return [...deletions.slice(-deletionsMax), ...needed];
}

/** Moves our undisputed leaves to the new write, so that a long history does not fill the record. */
function gathered(held: readonly Held[], write: IntentWrite, { state, manager, by }: NextWrite): Held[] {
  const claimOf = claimsByPath(state.living, by.author, manager);
  return held.map((field) => {
    const leaf = state.leaves.get(field.path);
    const claim = claimOf.get(field.path);
    const stands = leaf !== undefined && leaf.winner === claim && conflictingClaims(leaf).length === 0;
    return stands && field.field.op === "set" ? { ...field, write } : field;
  });
}

function claimsByPath(claims: readonly Claim[], author: NodeId, manager: string): ReadonlyMap<string, Claim> {
  const byPath = new Map<string, Claim>();
  for (const claim of claims) {
    if (claim.write.author === author && claim.write.manager === manager) byPath.set(claim.path, claim);
  }
  return byPath;
}

function bodyOf(managerClass: ManagerClass, held: readonly Held[], kept: readonly IntentWrite[]): IntentBody {
  const byVersion = new Map<Version, IntentWrite>();
  for (const write of [...held.map((field) => field.write), ...kept]) byVersion.set(write.version, write);
  const writes = [...byVersion.values()].sort((left, right) => left.version - right.version);
  const indexOf = new Map(writes.map((write, at) => [write.version, at] as const));
  const fields: { [path: string]: IntentField } = {};
  for (const { path, field, write } of [...held].sort((left, right) => (left.path < right.path ? -1 : 1))) {
    fields[path] = { ...field, write: indexOf.get(write.version) ?? 0 };
  }
  return { class: managerClass, writes, fields };
}
