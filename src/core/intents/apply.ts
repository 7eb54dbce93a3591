import { equalJson, type Json } from "../kernel/json.ts";
import { conflictingClaims } from "./standing.ts";
import type { Change, HeldField } from "./contract.ts";
import { managerParts, rankOf } from "./manager.ts";
import { isBelow, itemsAround, parsePath } from "./path.ts";
import { isSoft } from "./soft.ts";
import { compareWrites } from "./life.ts";
import type { Claim, LeafState, ObjectState } from "./state.ts";
import { settleItems, type Wish, type WishedChange } from "./wishes.ts";

/**
 * Server-side apply: the configuration is all that its manager wants to own.
 *
 * A leaf whose value another manager holds differently is a conflict unless forced. A leaf that the
 * manager applied before and no longer does is released; it goes when nobody else owns it.
 * (kubernetes.io/docs/reference/using-api/server-side-apply, "Conflicts" and "Field management")
 */
export function applyWishes(
  state: ObjectState,
  desired: ReadonlyMap<string, Json>,
  manager: string,
  change: Extract<Change, { type: "apply" }>,
): WishedChange {
  const wishes = new Map<string, Wish>();
  const conflicts: HeldField[] = [];
  for (const [path, value] of desired) {
    const leaf = state.leaves.get(path);
    if (leaf !== undefined && isHeld(leaf, value, manager, change.force)) continue;
    wishes.set(path, { op: "set", value });
    if (leaf === undefined || change.force || isSoft(path, leaf.leaf)) continue;
    if (leaf.winner?.op !== "set" || equalJson(leaf.winner.value, value)) continue;
    for (const { write } of leaf.owners) {
      if (write.manager === manager || write.rank < rankOf(change.class)) continue;
      const { name, operation } = managerParts(write.manager);
      conflicts.push({ path, manager: name, operation });
    }
  }
  for (const leaf of state.leaves.values()) {
    if (desired.has(leaf.path) || newestOf(leaf, manager)?.op !== "set") continue;
    // What a higher class lets go of falls back to what the classes below it have there.
    const op = rankOf(change.class) > 0 ? "release" : dropOf(leaf, manager, desired, state);
    wishes.set(leaf.path, { op });
  }
  settleItems(wishes, state, desired);
  return { wishes, conflicts };
}

/**
 * Whether the manager owns the leaf with this value already. A forced apply settles a live conflict
 * by writing the winning value once more.
 */
function isHeld(leaf: LeafState, value: Json, manager: string, force: boolean): boolean {
  if (leaf.winner?.op !== "set" || !equalJson(leaf.winner.value, value)) return false;
  if (force && conflictingClaims(leaf).length > 0) return false;
  return leaf.owners.some(({ write }) => write.manager === manager);
}

/** The manager's newest word on a leaf, from whichever node it was said. */
function newestOf({ claims }: LeafState, manager: string): Claim | undefined {
  return claims.findLast(({ write }) => write.manager === manager);
}

/**
 * `release` leaves the leaf to its other owners. When there are none but somebody had been overruled
 * by us, a release would bring that old value back; Kubernetes would drop the field, so `remove` it.
 */
function dropOf(
  leaf: LeafState,
  manager: string,
  desired: ReadonlyMap<string, Json>,
  state: ObjectState,
): "release" | "remove" {
  if (leaf.leaf.type === "order") return dropOfItem(leaf.path, manager, desired, state);
  const owned = leaf.owners.some(({ write }) => write.manager !== manager);
  const mine = newestOf(leaf, manager);
  if (owned || leaf.winner !== mine) return "release";
  const overruled = leaf.claims.some(
    ({ op, write }) =>
      op === "set" && write.manager !== manager && mine !== undefined && compareWrites(write, mine.write) < 0,
  );
  return overruled ? "remove" : "release";
}

/** An item goes as a whole unless somebody else owns a value in it, or it consists of its keys alone. */
function dropOfItem(
  item: string,
  manager: string,
  desired: ReadonlyMap<string, Json>,
  state: ObjectState,
): "release" | "remove" {
  if (
    itemsAround(parsePath(item) ?? [])
      .slice(0, -1)
      .some((around) => !desired.has(around))
  )
    return "release";
  const within = [...state.leaves.values()].filter(
    ({ path, leaf }) => isBelow(path, item) && leaf.type !== "order",
  );
  const shared = within.some(({ owners }) => owners.some(({ write }) => write.manager !== manager));
  return shared || within.length === 0 ? "release" : "remove";
}
