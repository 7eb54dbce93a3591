import { canonical, isList, isObject, type Json } from "../kernel/json.ts";
import type { IntentEntry } from "./contract.ts";
import { compareWrites, concurrent, lifeOf, sees, writesOf, type Life, type Write } from "./life.ts";
import { isBelow, leafAt, parsePath, type LeafKind, type Step } from "./path.ts";
import { isSoft } from "./soft.ts";
import type { Kind } from "./kinds/kind.ts";
import type { Schema } from "./schema.ts";
import { fitsShape } from "./validate.ts";

/** What one author's record of one manager says about one leaf. */
export type Claim = {
  readonly path: string;
  readonly leaf: LeafKind;
  readonly op: "set" | "release" | "remove";
  readonly value: Json | undefined;
  readonly write: Write;
};

/** An item of a list-map that was taken away as a whole: a deletion in small, with the same rules. */
export type Removal = {
  readonly claim: Claim;
  readonly concurrent: readonly Claim[];
  readonly effective: boolean;
};

export type LeafState = {
  readonly path: string;
  readonly leaf: LeafKind;
  /** Claims that count, oldest first; per author and manager at most one. */
  readonly claims: readonly Claim[];
  /** The claim that won: `set` gives the value, `remove` or undefined leaves the field out. */
  readonly winner: Claim | undefined;
  /** Managers' claims that hold the winning value and were not overruled, newest first. */
  readonly owners: readonly Claim[];
};

/** The merge of an object's configurations, leaf by leaf, before it is put together for people. */
export type ObjectState = {
  readonly entries: readonly IntentEntry[];
  readonly writes: readonly Write[];
  readonly life: Life;
  /** Every claim of the present life, also those that a removal took away; oldest first. */
  readonly living: readonly Claim[];
  readonly leaves: ReadonlyMap<string, LeafState>;
  readonly removals: readonly Removal[];
};

export function stateOf(kind: Kind, given: readonly IntentEntry[]): ObjectState {
  const entries = newestEntries(given);
  const writes: Write[] = [];
  const claims: Claim[] = [];
  for (const entry of entries) {
    const own = writesOf(entry);
    for (const write of own) if (write !== undefined) writes.push(write);
    claims.push(...claimsOf(kind.schema, entry, own));
  }
  const life = lifeOf(writes);
  const alive = new Set(life.alive);
  const living = claims.filter((claim) => alive.has(claim.write)).sort(compareClaims);
  const removals = removalsOf(living);
  const counted = living.filter((claim) => !isTakenAway(claim, removals));
  return { entries, writes, life, living, leaves: leavesOf(counted), removals };
}

/** The winning values: what the object is made of. */
export function valuesOf(state: ObjectState): Map<string, Json> {
  const values = new Map<string, Json>();
  for (const { path, winner } of state.leaves.values()) {
    if (winner?.op === "set" && winner.value !== undefined) values.set(path, winner.value);
  }
  return values;
}

/** One entry per author and manager, the newest, in a fixed order. */
function newestEntries(given: readonly IntentEntry[]): readonly IntentEntry[] {
  const bySlot = new Map<string, IntentEntry>();
  for (const entry of given) {
    const slot = `${entry.author}\0${entry.manager}`;
    const held = bySlot.get(slot);
    if (held === undefined || entry.version > held.version) bySlot.set(slot, entry);
  }
  return [...bySlot].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, entry]) => entry);
}

/** Claims on leaves that the kind has, with values that fit: the rest is another version's or hostile. */
function claimsOf(schema: Schema, entry: IntentEntry, writes: readonly (Write | undefined)[]): Claim[] {
  const claims: Claim[] = [];
  for (const path of Object.keys(entry.body.fields)) {
    const field = entry.body.fields[path];
    const write = field === undefined ? undefined : writes[field.write];
    const steps = parsePath(path);
    if (field === undefined || write === undefined || write.deletes || steps === undefined) continue;
    const leaf = isIdentity(steps) ? undefined : leafAt(schema, steps);
    if (leaf === undefined) continue;
    const value = field.op === "set" ? field.value : undefined;
    if (value !== undefined && !fitsLeaf(leaf, value)) continue;
    claims.push({ path, leaf, op: field.op, value, write });
  }
  return claims;
}

/** apiVersion, kind, name and namespace come from the object's key, never from a leaf. */
export function isIdentity(steps: readonly Step[]): boolean {
  const [first, second] = steps;
  if (first?.type !== "field") return false;
  if (first.name === "apiVersion" || first.name === "kind") return true;
  if (first.name !== "metadata" || second?.type !== "field") return false;
  return second.name === "name" || second.name === "namespace";
}

/** Whether a value may stand at a leaf; a claim whose value may not does not count. */
export function fitsLeaf(leaf: LeafKind, value: Json): boolean {
  if (leaf.type === "order") return typeof value === "number" && Number.isFinite(value);
  if (leaf.type === "value") return fitsShape(leaf.schema, value);
  const wantsList = leaf.schema.type === "list-map" || leaf.schema.type === "set";
  if (isList(value)) return wantsList && value.length === 0;
  return !wantsList && isObject(value) && Object.keys(value).length === 0;
}

function removalsOf(claims: readonly Claim[]): readonly Removal[] {
  const removals: Removal[] = [];
  for (const claim of claims) {
    if (claim.op !== "remove" || claim.leaf.type !== "order") continue;
    const within = claims.filter((other) => other.op === "set" && isBelow(other.path, claim.path));
    const edits =
      within.length > 0 ? within : claims.filter((other) => other.op === "set" && other.path === claim.path);
    const unaware = edits.filter(
      (other) => concurrent(other.write, claim.write) && other.write.rank <= claim.write.rank,
    );
    const outlived = unaware.some((other) => compareWrites(other.write, claim.write) > 0);
    const effective = !outlived && !wasOverruled(claim, within, claims);
    removals.push({ claim, concurrent: unaware, effective });
  }
  return removals;
}

/**
 * Whether the removal had lost already when somebody who knew of it wrote below the item: whoever
 * brings a removed item back writes the item's order too, whoever edits one that lives on does not.
 * Without this the removal would win after all once the edit that outlived it is replaced.
 */
function wasOverruled(removal: Claim, within: readonly Claim[], claims: readonly Claim[]): boolean {
  const aware = (claim: Claim): boolean => claim.op === "set" && sees(claim.write, removal.write);
  return within.some(aware) && !claims.some((claim) => claim.path === removal.path && aware(claim));
}

/** A removal that lost does not count; one that won takes what had not seen it. */
function isTakenAway(claim: Claim, removals: readonly Removal[]): boolean {
  return removals.some(({ claim: removal, effective }) => {
    if (claim === removal) return !effective;
    if (!effective || (claim.path !== removal.path && !isBelow(claim.path, removal.path))) return false;
    return (
      claim.write.rank <= removal.write.rank && !sees(claim.write, removal.write) && claim.op !== "remove"
    );
  });
}

function leavesOf(claims: readonly Claim[]): ReadonlyMap<string, LeafState> {
  const byPath = new Map<string, Claim[]>();
  for (const claim of claims) {
    const held = byPath.get(claim.path);
    if (held === undefined) byPath.set(claim.path, [claim]);
    else held.push(claim);
  }
  const leaves = new Map<string, LeafState>();
  for (const path of [...byPath.keys()].sort()) {
    const held = byPath.get(path) ?? [];
    const [first] = held;
    if (first !== undefined) leaves.set(path, leafState(path, first.leaf, held));
  }
  return leaves;
}

function leafState(path: string, leaf: LeafKind, claims: readonly Claim[]): LeafState {
  const newest = newestPerManager(claims).filter((claim) => claim.op !== "release");
  let winner: Claim | undefined;
  for (const claim of newest) if (winner === undefined || beats(claim, winner)) winner = claim;
  const owners = newest.filter(
    (claim) =>
      claim.op === "set" &&
      winner?.op === "set" &&
      (isSoft(path, leaf) || (sameValue(claim, winner) && !isOverruled(claim, claims))),
  );
  return { path, leaf, claims, winner, owners: owners.reverse() };
}

function newestPerManager(claims: readonly Claim[]): readonly Claim[] {
  const byManager = new Map<string, Claim>();
  for (const claim of claims) byManager.set(claim.write.manager, claim);
  return [...byManager.values()].sort(compareClaims);
}

function beats(claim: Claim, other: Claim): boolean {
  if (claim.write.rank !== other.write.rank) return claim.write.rank > other.write.rank;
  return compareWrites(claim.write, other.write) > 0;
}

/** Somebody of at least its class saw the claim and wrote something else: its manager lost the leaf. */
export function isOverruled(claim: Claim, claims: readonly Claim[]): boolean {
  return claims.some(
    (other) =>
      other.op !== "release" &&
      other.write.rank >= claim.write.rank &&
      sees(other.write, claim.write) &&
      !sameValue(other, claim),
  );
}

export function sameValue(left: Claim, right: Claim): boolean {
  return left.op === right.op && keyOf(left) === keyOf(right);
}

const keyOf = (claim: Claim): string => (claim.value === undefined ? "" : canonical(claim.value));

function compareClaims(left: Claim, right: Claim): number {
  const order = compareWrites(left.write, right.write);
  return order !== 0 ? order : left.path < right.path ? -1 : left.path > right.path ? 1 : 0;
}
