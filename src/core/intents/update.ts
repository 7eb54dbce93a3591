import { equalJson, type Json, type JsonObject } from "../kernel/json.ts";
import { flatten, itemsAround, orderLast, parsePath } from "./path.ts";
import type { Kind } from "./kinds/kind.ts";
import { valuesOf, type ObjectState } from "./state.ts";
import { withDefaults } from "./validate.ts";
import { settleItems, type Wish, type WishedChange } from "./wishes.ts";

/**
 * An update is the difference between the whole object as it is and as it shall be: changed leaves are
 * set, vanished ones removed, a vanished item of a list removed as one.
 *
 * A client that read the object also sends back the defaults it was shown; those are no wishes.
 */
export function updateWishes(
  kind: Kind,
  state: ObjectState,
  desired: ReadonlyMap<string, Json>,
  before: JsonObject | undefined,
): WishedChange {
  const visible = valuesOf(state);
  const assumed =
    before === undefined ? new Map<string, Json>() : flatten(kind.schema, withDefaults(kind, before));
  const wishes = new Map<string, Wish>();
  for (const [path, value] of desired) {
    const now = visible.get(path);
    if (equalJson(now, value) || (now === undefined && value === orderLast)) continue;
    if (now === undefined && equalJson(assumed.get(path), value) && isPlain(path)) continue;
    wishes.set(path, { op: "set", value });
  }
  for (const path of visible.keys()) {
    if (desired.has(path)) continue;
    const item = itemsAround(parsePath(path) ?? []).find((around) => !desired.has(around));
    wishes.set(item ?? path, { op: "remove" });
  }
  settleItems(wishes, state, desired);
  return { wishes, conflicts: [] };
}

/** The order of an item is no default, whatever number it has. */
const isPlain = (path: string): boolean => parsePath(path)?.at(-1)?.type === "field";
