import type { ManagerClass } from "./contract.ts";

/**
 * Kubernetes tells managers apart by name *and* operation: what `kubectl` applied and what `kubectl`
 * updated are two configurations. So the manager of an intent record is `apply:<name>` or
 * `update:<name>`; people see the name alone.
 */
export type Operation = "Apply" | "Update";

export const recordManager = (operation: Operation, name: string): string =>
  `${operation === "Apply" ? "apply" : "update"}:${name}`;

export function managerParts(manager: string): { readonly operation: Operation; readonly name: string } {
  if (manager.startsWith("apply:")) return { operation: "Apply", name: manager.slice("apply:".length) };
  const name = manager.startsWith("update:") ? manager.slice("update:".length) : manager;
  return { operation: "Update", name };
}

const classes: readonly ManagerClass[] = ["user", "git", "override"];

/** Higher wins over lower whatever the time. */
export const rankOf = (managerClass: ManagerClass): number => classes.indexOf(managerClass);

export const classOf = (rank: number): ManagerClass => classes[rank] ?? "user";
