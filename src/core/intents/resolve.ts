import type { Json } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { ObjectRef } from "../records/keys.ts";
import { wholeObject } from "./conflicts.ts";
import type { Change, ConflictSide, FieldConflict, IntentEntry } from "./contract.ts";
import type { Kind } from "./kinds/kind.ts";
import { recordManager } from "./manager.ts";
import { isBelow, leafAt, parsePath } from "./path.ts";
import { revive } from "./revive.ts";
import { stateOf, valuesOf } from "./state.ts";
import { writerOf } from "./undo.ts";

export type Choice =
  /** 0 is the side that stands, the others follow in the order of `losers`. */
  { readonly type: "take"; readonly side: number } | { readonly type: "value"; readonly value: Json };

/** Why a choice cannot be made. Nothing is changed. */
export type ResolveError =
  | { readonly type: "no-such-side"; readonly sides: number }
  /** A value can be given for a field only; an item or the whole object has sides to take. */
  | { readonly type: "not-a-field" }
  /** The side that lost is not known well enough to be put together again. */
  | { readonly type: "forgotten" };

export const sidesOf = ({ winner, losers }: FieldConflict): readonly ConflictSide[] => [winner, ...losers];

/**
 * The change that ends a conflict. It is written by somebody who has seen all sides, also when the value
 * is the one that stands, under the manager of the chosen side if that is of the user's class.
 */
export function planResolve(
  kind: Kind,
  ref: ObjectRef,
  entries: readonly IntentEntry[],
  conflict: FieldConflict,
  choice: Choice,
): Result<Change, ResolveError> {
  const sides = sidesOf(conflict);
  const side = sides[choice.type === "take" ? choice.side : 0];
  if (side === undefined) return err({ type: "no-such-side", sides: sides.length });
  const writer = writerOf({ ...side, manager: recordManager(side.operation, side.manager) });
  const isField = leafAt(kind.schema, parsePath(conflict.path) ?? [])?.type === "value";
  if (isField) {
    const value = choice.type === "value" ? choice.value : side.value;
    return ok({ type: "set", ref, fields: [{ path: conflict.path, value }], ...writer });
  }
  if (choice.type === "value") return err({ type: "not-a-field" });
  if (conflict.path === wholeObject) return resolveObject(kind, ref, entries, side, writer);
  const fields = itemFields(kind, entries, conflict.path, side);
  if (fields.length === 0) return err({ type: "forgotten" });
  return ok({ type: "set", ref, fields, ...writer });
}

function resolveObject(
  kind: Kind,
  ref: ObjectRef,
  entries: readonly IntentEntry[],
  side: ConflictSide,
  writer: ReturnType<typeof writerOf>,
): Result<Change, ResolveError> {
  if (side.value === undefined) {
    return ok({ type: "delete", ref, manager: writer.manager, class: writer.class });
  }
  // It lives on: a write about nothing says that its author has seen both sides.
  if (stateOf(kind, entries).life.first !== undefined) return ok({ type: "set", ref, fields: [], ...writer });
  const change = revive(kind, ref, entries);
  return change === undefined ? err({ type: "forgotten" }) : ok(change);
}

/** An item is taken away as one, and brought back with all that was in it. */
function itemFields(
  kind: Kind,
  entries: readonly IntentEntry[],
  item: string,
  side: ConflictSide,
): readonly { readonly path: string; readonly value: Json | undefined }[] {
  const inside = (path: string): boolean => path === item || isBelow(path, item);
  if (side.value === undefined) {
    if (leafAt(kind.schema, parsePath(item) ?? [])?.type === "order")
      return [{ path: item, value: undefined }];
    const visible = [...valuesOf(stateOf(kind, entries)).keys()].filter(inside);
    return visible.map((path) => ({ path, value: undefined }));
  }
  const kept = valuesOf(
    stateOf(
      kind,
      entries.map((entry) => withoutRemoval(entry, item)),
    ),
  );
  return [...kept].filter(([path]) => inside(path)).map(([path, value]) => ({ path, value }));
}

function withoutRemoval(entry: IntentEntry, item: string): IntentEntry {
  const fields = Object.entries(entry.body.fields).filter(
    ([path, { op }]) => op !== "remove" || (path !== item && !isBelow(path, item)),
  );
  return { ...entry, body: { ...entry.body, fields: Object.fromEntries(fields) } };
}
