import { equalJson, type Json } from "../kernel/json.ts";
import type { Kind } from "./kinds/kind.ts";
import type { Shown } from "./merge.ts";
import { flatten, isBelow, itemsAround, orderLast, parsePath } from "./path.ts";
import { valuesOf, type ObjectState } from "./state.ts";
import { withDefaults } from "./validate.ts";
import { settleItems, type Wish, type WishedChange } from "./wishes.ts";

/**
 * An update is the difference between the whole object as it is and as it shall be: changed leaves are
 * set, vanished ones removed, a vanished item of a list removed as one.
 *
 * A client that read the object also sends back the defaults it was shown; those are no wishes. Nor does it
 * take away an incomplete part that it was not shown, unless it writes that part.
 */
export function updateWishes(
  kind: Kind,
  state: ObjectState,
  desired: ReadonlyMap<string, Json>,
  before: Shown | undefined,
): WishedChange {
  const visible = valuesOf(state);
  const assumed =
    before === undefined ? new Map<string, Json>() : flatten(kind.schema, withDefaults(kind, before.value));
  const within = (path: string, part: string): boolean => path === part || isBelow(path, part);
  const unseen = (before?.hidden ?? []).filter(
    ({ path: part }) => ![...desired.keys()].some((path) => within(path, part)),
  );
  const wishes = new Map<string, Wish>();
  for (const [path, value] of desired) {
    const now = visible.get(path);
    if (equalJson(now, value) || (now === undefined && value === orderLast)) continue;
    if (now === undefined && equalJson(assumed.get(path), value) && isPlain(path)) continue;
    wishes.set(path, { op: "set", value });
  }
  for (const path of visible.keys()) {
    if (desired.has(path) || unseen.some(({ path: part }) => within(path, part))) continue;
    const item = itemsAround(parsePath(path) ?? []).find((around) => !desired.has(around));
    wishes.set(item ?? path, { op: "remove" });
  }
  settleItems(wishes, state, desired);
  return { wishes, conflicts: [] };
}

/** The order of an item is no default, whatever number it has. */
const isPlain = (path: string): boolean => parsePath(path)?.at(-1)?.type === "field";
