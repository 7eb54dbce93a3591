import { classNamed, managerParts, recordManager, type Operation } from "./manager.ts";
import type { IntentEntry, ManagerClass } from "./contract.ts";
import type { ObjectState } from "./state.ts";
import type { Wish, WishedChange } from "./wishes.ts";

/** Every word of the manager that counts is taken back, from whichever node it was said. */
export function releaseWishes(state: ObjectState, manager: string): WishedChange {
  const wishes = new Map<string, Wish>();
  for (const { path, claims } of state.leaves.values()) {
    const newest = claims.findLast(({ write }) => write.manager === manager);
    if (newest !== undefined && newest.op !== "release") wishes.set(path, { op: "release" });
  }
  return { wishes, conflicts: [] };
}

export type Holder = {
  readonly manager: string;
  readonly operation: Operation;
  readonly class: ManagerClass;
};

/** The managers of these classes that wrote the object, in a fixed order. */
export function holdersOf(entries: readonly IntentEntry[], classes: readonly ManagerClass[]): Holder[] {
  const managers = [...new Set(entries.map(({ manager }) => manager))].sort();
  return managers
    .map((manager) => ({ ...managerParts(manager), manager }))
    .map(({ name, operation }) => ({ manager: name, operation, class: classNamed(name) }))
    .filter((holder) => classes.includes(holder.class))
    .filter(({ manager, operation }) =>
      entries.some(
        (entry) =>
          entry.manager === recordManager(operation, manager) &&
          Object.values(entry.body.fields).some(({ op }) => op !== "release"),
      ),
    );
}
