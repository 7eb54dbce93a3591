import type { Version } from "../kernel/hybrid-clock.ts";
import { equalJson, type Json } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { ObjectRef } from "../records/keys.ts";
import type { Before, Change, IntentEntry } from "./contract.ts";
import { historyOf, type KnownWrite } from "./history.ts";
import type { Kind } from "./kinds/kind.ts";
import { managerParts } from "./manager.ts";
import { isBelow, parsePath } from "./path.ts";
import { isFirst, overwrittenIn, type Overwritten } from "./past.ts";
import { isSoft } from "./soft.ts";
import { revive } from "./revive.ts";
import { stateOf, valuesOf, type ObjectState } from "./state.ts";

export type UndoWish = {
  /** Only this leaf, and what lies below it. */
  readonly field?: string | undefined;
  /** Back to what was there after this write; without it, to before the newest write. */
  readonly to?: Version | undefined;
};

export type UndoPlan = {
  readonly change: Change;
  /** The newest write that is taken back. */
  readonly undoes: KnownWrite;
  readonly fields: readonly UndoneField[];
};

export type UndoneField = {
  readonly path: string;
  readonly from: Json | undefined;
  readonly to: Json | undefined;
};

/** Why a write cannot be taken back. Nothing is changed, and trying again does not help. */
export type UndoError =
  /** No record tells of such an object. */
  | { readonly type: "not-found" }
  /** The object is deleted, and that is not what was to be taken back. */
  | { readonly type: "deleted" }
  /** It made the object: there is nothing before it. */
  | { readonly type: "made-it"; readonly write: KnownWrite }
  /** What was there before is not known any more. */
  | { readonly type: "forgotten"; readonly fields: readonly string[]; readonly more: number }
  | { readonly type: "unknown-version"; readonly known: readonly Version[] }
  | { readonly type: "unknown-field"; readonly known: readonly string[] }
  /** The object is what it would be already. */
  | { readonly type: "nothing-to-do" };

/**
 * Writes back what was there before, under the manager whose write is taken back, so that its next apply
 * meets no conflict. What others wrote since is left alone unless `to` asks for it.
 */
export function planUndo(
  kind: Kind,
  ref: ObjectRef,
  given: readonly IntentEntry[],
  wish: UndoWish,
): Result<UndoPlan, UndoError> {
  const state = stateOf(kind, given);
  const history = historyOf(kind, given);
  const [newest] = history;
  if (newest === undefined) return err({ type: "not-found" });
  if (wish.to !== undefined && !history.some(({ version }) => version === wish.to)) {
    return err({ type: "unknown-version", known: history.map(({ version }) => version) });
  }
  if (state.life.first === undefined) return undoDeletion(kind, ref, state, history, wish);
  const past = overwrittenIn(state.entries);
  return wish.to === undefined
    ? undoNewest(ref, state, past, history, wish.field)
    : undoTo(ref, state, past, history, wish.to, wish.field);
}

function undoDeletion(
  kind: Kind,
  ref: ObjectRef,
  state: ObjectState,
  history: readonly KnownWrite[],
  { field, to }: UndoWish,
): Result<UndoPlan, UndoError> {
  const deletion = history.find(({ deletes }) => deletes);
  const before = history.find((write) => !write.deletes && write.version < (deletion?.version ?? 0));
  const isLast = to === undefined || to === before?.version;
  const change = revive(kind, ref, state.entries);
  if (field !== undefined || deletion === undefined || !isLast) return err({ type: "deleted" });
  if (change === undefined) return err({ type: "forgotten", fields: [], more: 1 });
  return ok({ change, undoes: deletion, fields: [] });
}

function undoNewest(
  ref: ObjectRef,
  state: ObjectState,
  past: readonly Overwritten[],
  history: readonly KnownWrite[],
  field: string | undefined,
): Result<UndoPlan, UndoError> {
  const inside = (path: string): boolean => field === undefined || path === field || isBelow(path, field);
  const alive = history.filter((write) => !write.deletes && write.fields.length > 0);
  const undoes = alive.find((write) =>
    write.fields.some(
      ({ path, stands }) =>
        (stands && inside(path)) || (field !== undefined && isBelow(field, path) && stands),
    ),
  );
  if (undoes === undefined) return err({ type: "unknown-field", known: knownFields(state, past) });
  if (undoes.first) return err({ type: "made-it", write: undoes });
  const overwritten = past.filter(({ by, path }) => isBy(by, undoes) && inside(path));
  const told = new Set(overwritten.map(({ path }) => path));
  const missing = undoes.fields.filter(
    ({ path, stands }) => stands && inside(path) && !told.has(path) && !isSoftPath(state, path),
  );
  const more = field === undefined ? lostOf(state, undoes) - missing.length : 0;
  if (missing.length > 0 || more > 0) {
    return err({ type: "forgotten", fields: missing.map(({ path }) => path), more: Math.max(0, more) });
  }
  const values = new Map<string, Json | undefined>();
  for (const { path, value } of overwritten) {
    const winner = state.leaves.get(path)?.winner;
    const untouched = winner === undefined || isBy(winner.write, undoes) || winner.op !== "set";
    if (untouched && !values.has(path)) values.set(path, value);
  }
  return planOf(ref, state, undoes, values);
}

function undoTo(
  ref: ObjectRef,
  state: ObjectState,
  past: readonly Overwritten[],
  history: readonly KnownWrite[],
  to: Version,
  field: string | undefined,
): Result<UndoPlan, UndoError> {
  const undoes = history.find(({ version }) => version > to);
  if (undoes === undefined) return err({ type: "nothing-to-do" });
  const first = state.life.first;
  if (first !== undefined && first.version > to) {
    const made = history.find((write) => write.first) ?? undoes;
    return err({ type: "made-it", write: made });
  }
  const inside = (path: string): boolean => field === undefined || path === field || isBelow(path, field);
  const paths = new Set([...state.leaves.keys(), ...past.map(({ path }) => path)]);
  const wanted = [...paths].filter(inside).sort();
  if (field !== undefined && wanted.length === 0) {
    return err({ type: "unknown-field", known: knownFields(state, past) });
  }
  const values = new Map<string, Json | undefined>();
  const forgotten: string[] = [];
  for (const path of wanted) {
    const winner = state.leaves.get(path)?.winner;
    if (winner !== undefined && winner.write.version <= to) continue;
    const before = valueAt(path, to, past, history);
    if (before.type === "known") values.set(path, before.value);
    else if (!isSoftPath(state, path)) forgotten.push(path);
  }
  if (forgotten.length > 0) return err({ type: "forgotten", fields: forgotten, more: 0 });
  return planOf(ref, state, undoes, values);
}

/**
 * The value of a leaf after a write, in version order: that of the newest write up to then, if it is
 * certain that none between the two is forgotten: a later write tells that it found just this value.
 */
function valueAt(
  path: string,
  to: Version,
  past: readonly Overwritten[],
  history: readonly KnownWrite[],
): Before {
  const later = past.filter((old) => old.path === path && old.by.version > to);
  for (const write of history) {
    if (write.version > to) continue;
    const own = write.fields.find((field) => field.path === path);
    const item = write.fields.find(
      ({ op, path: gone }) => op === "remove" && isItem(gone) && isBelow(path, gone),
    );
    if (own?.op === "release" || (own === undefined && item === undefined)) continue;
    const certain =
      write.version === to ||
      later.some(({ was }) => (was === undefined ? own === undefined : isBy(was, write)));
    return certain ? { type: "known", value: own?.value } : { type: "unknown" };
  }
  const nothing = later.some(({ was }) => was === undefined);
  return nothing ? { type: "known", value: undefined } : { type: "unknown" };
}

/** An item of a list goes with all that is in it; a map that is removed only lost its being empty. */
const isItem = (path: string): boolean => parsePath(path)?.at(-1)?.type !== "field";

/** Leaves whose value would not change are left out; a vanished item goes as a whole. */
function planOf(
  ref: ObjectRef,
  state: ObjectState,
  undoes: KnownWrite,
  values: ReadonlyMap<string, Json | undefined>,
): Result<UndoPlan, UndoError> {
  const visible = valuesOf(state);
  const fields = [...values]
    .filter(([path, value]) => !equalJson(visible.get(path), value))
    .map(([path, value]): UndoneField => ({ path, from: visible.get(path), to: value }));
  if (fields.length === 0) return err({ type: "nothing-to-do" });
  const written = fields.map(({ path, to }) => ({ path, value: to }));
  return ok({ change: { type: "set", ref, fields: written, ...writerOf(undoes) }, undoes, fields });
}

/** A user may write under a user's manager only: a body of a higher class stays what it is. */
export function writerOf(write: Pick<KnownWrite, "manager" | "class">): {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly class: "user";
} {
  if (write.class !== "user") return { manager: "starlight", operation: "Update", class: "user" };
  const { name, operation } = managerParts(write.manager);
  return { manager: name, operation, class: "user" };
}

/** How many values a write overwrote that are forgotten. */
function lostOf(state: ObjectState, write: KnownWrite): number {
  const entry = state.entries.find(
    ({ author, manager }) => author === write.author && manager === write.manager,
  );
  const group = entry?.body.past?.find((held) => held.write === write.version);
  return group === undefined ? 0 : group.count - group.fields.length;
}

function isSoftPath(state: ObjectState, path: string): boolean {
  const leaf = state.leaves.get(path);
  return leaf !== undefined && isSoft(path, leaf.leaf);
}

const isBy = (
  by: Pick<KnownWrite, "author" | "manager" | "version">,
  write: Pick<KnownWrite, "author" | "manager" | "version">,
): boolean => by.version === write.version && by.author === write.author && by.manager === write.manager;

function knownFields(state: ObjectState, past: readonly Overwritten[]): readonly string[] {
  const written = [...state.leaves.values()].filter(
    ({ winner, path, leaf }) => winner !== undefined && !isSoft(path, leaf) && !isFirst(state, winner.write),
  );
  return [...new Set([...written.map(({ path }) => path), ...past.map(({ path }) => path)])].sort();
}
