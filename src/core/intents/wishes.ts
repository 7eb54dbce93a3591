import type { Json } from "../kernel/json.ts";
import type { HeldField } from "./contract.ts";
import { isBelow } from "./path.ts";
import type { ObjectState } from "./state.ts";

/** What a leaf is to become by a change; leaves that stay as they are have no wish. */
export type Wish = { readonly op: "set"; readonly value: Json } | { readonly op: "release" | "remove" };

export type Wishes = ReadonlyMap<string, Wish>;

export type WishedChange = {
  readonly wishes: Wishes;
  /** Leaves that other managers own with other values. */
  readonly conflicts: readonly HeldField[];
};

/**
 * Takes the side effects out of giving an item an order. Next to a removal that had lost, a new order
 * reads as "the item was brought back", and the removal would count: so everything in the item is
 * written with it, or, in a configuration that does not know all of it, the order is left alone. And
 * where our own removal makes room for the item's return, what it held down must stay down.
 */
export function settleItems(
  wishes: Map<string, Wish>,
  state: ObjectState,
  desired: ReadonlyMap<string, Json>,
): void {
  for (const { claim, effective } of state.removals) {
    if (wishes.get(claim.path)?.op !== "set") continue;
    if (effective) keepDown(wishes, claim.path, state);
    else keepUp(wishes, claim.path, state, desired);
  }
}

function keepDown(wishes: Map<string, Wish>, item: string, state: ObjectState): void {
  for (const { path, op } of state.living) {
    if (op === "set" && isBelow(path, item) && !wishes.has(path)) wishes.set(path, { op: "remove" });
  }
}

function keepUp(
  wishes: Map<string, Wish>,
  item: string,
  state: ObjectState,
  desired: ReadonlyMap<string, Json>,
): void {
  const within = [...state.leaves.values()].filter(
    ({ path, winner }) => winner?.op === "set" && isBelow(path, item) && !wishes.has(path),
  );
  if (within.some(({ path }) => !desired.has(path))) wishes.delete(item);
  else for (const { path } of within) wishes.set(path, { op: "set", value: desired.get(path) ?? null });
}
