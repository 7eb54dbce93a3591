import type { Json } from "../kernel/json.ts";
import type { ConflictSide, FieldConflict } from "./contract.ts";
import { compareWrites, sees, type Deletion, type Write } from "./life.ts";
import { classOf, managerParts } from "./manager.ts";
import { baseOf, basesOf } from "./past.ts";
import { isBelow } from "./path.ts";
import { conflictingClaims } from "./standing.ts";
import { sameValue, type Claim, type LeafState, type ObjectState, type Removal } from "./state.ts";

/** The path of a conflict that is about the object as a whole. */
export const wholeObject = "(object)";

/**
 * What was decided for people: writes of one leaf, none of which had seen the other, with different
 * values; and deletions of the object or of an item that raced with an edit. A later write that has
 * seen both sides and touches the same thing ends a conflict.
 */
export function conflictsOf(state: ObjectState): readonly FieldConflict[] {
  const conflicts: FieldConflict[] = [];
  for (const deletion of state.life.deletions) {
    const conflict = deletionConflict(deletion, state);
    if (conflict !== undefined) conflicts.push(conflict);
  }
  for (const removal of state.removals) {
    const conflict = removalConflict(removal, state);
    if (conflict !== undefined) conflicts.push(conflict);
  }
  for (const leaf of state.leaves.values()) {
    const conflict = leafConflict(leaf, state);
    if (conflict !== undefined) conflicts.push(conflict);
  }
  return conflicts;
}

function leafConflict(leaf: LeafState, state: ObjectState): FieldConflict | undefined {
  const standing = conflictingClaims(leaf);
  const releases = standing.filter((claim) => claim.op === "release");
  const sides = standing.filter((claim) => claim.op !== "release" || releases.length < standing.length);
  const winner = leaf.winner ?? releases.at(-1);
  if (winner === undefined) return undefined;
  const losers = sides.filter((claim) => isLoser(claim, winner, standing));
  if (losers.length === 0) return undefined;
  const base = baseOf(
    state,
    leaf.path,
    [winner, ...losers].map(({ write }) => write),
  );
  return { path: leaf.path, winner: sideOf(winner), losers: losers.map(sideOf).reverse(), base };
}

/** Another manager's release does not compete with the winner: it says nothing about the value. */
function isLoser(claim: Claim, winner: Claim, standing: readonly Claim[]): boolean {
  if (sameValue(claim, winner)) return false;
  if (claim.op !== "release") return true;
  return standing.some((other) => other.op === "set" && other.write.manager === claim.write.manager);
}

function deletionConflict(
  { write, effective, concurrent: edits }: Deletion,
  state: ObjectState,
): FieldConflict | undefined {
  const open = edits.filter((edit) => !state.writes.some((later) => sees(later, write) && sees(later, edit)));
  if (open.length === 0) return undefined;
  const deletion = writeSide(write, undefined);
  const edited = newestPerAuthor(open);
  const others = edited.map((edit) => writeSide(edit, writtenBy(edit, state)));
  const [newest, ...rest] = others;
  const base = basesOf(state, edited, () => true);
  if (effective || newest === undefined) return { path: wholeObject, winner: deletion, losers: others, base };
  return { path: wholeObject, winner: newest, losers: [deletion, ...rest], base };
}

function removalConflict(
  { claim, effective, concurrent: edits }: Removal,
  state: ObjectState,
): FieldConflict | undefined {
  const open = edits.filter(
    (edit) =>
      !state.writes.some(
        (later) => sees(later, claim.write) && sees(later, edit.write) && touches(later, claim.path, state),
      ),
  );
  if (open.length === 0) return undefined;
  const removal = sideOf(claim);
  const writes = newestPerAuthor(open.map((edit) => edit.write));
  const others = writes.map((write) => {
    const made = open.filter((edit) => edit.write === write);
    return writeSide(write, Object.fromEntries(made.map((edit) => [edit.path, edit.value ?? null])));
  });
  const [newest, ...rest] = others;
  const base = basesOf(state, writes, (path) => path === claim.path || isBelow(path, claim.path));
  if (effective || newest === undefined) return { path: claim.path, winner: removal, losers: others, base };
  return { path: claim.path, winner: newest, losers: [removal, ...rest], base };
}

function touches(write: Write, item: string, state: ObjectState): boolean {
  for (const [path, leaf] of state.leaves) {
    if (path !== item && !isBelow(path, item)) continue;
    if (leaf.claims.some((claim) => claim.write === write)) return true;
  }
  return false;
}

/** What an edit said, as path -> value, so that the side that lost can be read and redone. */
function writtenBy(write: Write, state: ObjectState): Json {
  const said: { [path: string]: Json } = {};
  const entry = state.entries.find(
    ({ author, manager }) => author === write.author && manager === write.manager,
  );
  for (const path of Object.keys(entry?.body.fields ?? {}).sort()) {
    const field = entry?.body.fields[path];
    if (field === undefined || entry?.body.writes[field.write]?.version !== write.version) continue;
    said[path] = field.op === "set" ? field.value : null;
  }
  return said;
}

function newestPerAuthor(writes: readonly Write[]): readonly Write[] {
  const byAuthor = new Map<string, Write>();
  for (const write of [...writes].sort(compareWrites)) byAuthor.set(write.author, write);
  return [...byAuthor.values()].sort(compareWrites).reverse();
}

export const sideOf = (claim: Claim): ConflictSide =>
  writeSide(claim.write, claim.op === "set" ? claim.value : undefined);

function writeSide(write: Write, value: Json | undefined): ConflictSide {
  const { author, manager, rank, actor, version } = write;
  const { name, operation } = managerParts(manager);
  return { value, author, manager: name, operation, class: classOf(rank), actor, version };
}
