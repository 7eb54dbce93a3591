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

/** Of the name in the record's key, where it is escaped: 128 ASCII characters, whichever they are. */
export const managerBytesMax = 384;

/** Why a name cannot be a manager's; undefined when it can. */
export function managerProblem(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name === "override:" || name === "git:") return "has no name after its class";
  if (/\p{Surrogate}/u.test(name)) return "has half of a surrogate pair, which is no character";
  const bytes = encodeURIComponent(name).length;
  return bytes <= managerBytesMax
    ? undefined
    : `takes ${bytes} bytes when it is escaped for a key, of at most ${managerBytesMax}`;
}

/**
 * The class is part of the name: `override:NAME` and `git:NAME`, everything else is a user's. So whoever sees
 * a manager sees its class, and one manager never has two.
 */
export function classNamed(manager: string): ManagerClass {
  if (manager.startsWith("override:")) return "override";
  return manager.startsWith("git:") ? "git" : "user";
}

/** The manager of that name in a class; a name that has a class keeps it. */
export const managerIn = (managerClass: ManagerClass, name: string): string =>
  managerClass === "user" || classNamed(name) !== "user" ? name : `${managerClass}:${name}`;

declare const encodeURIComponent: (text: string) => string;

const classes: readonly ManagerClass[] = ["user", "git", "override"];

/** Higher wins over lower whatever the time. */
export const rankOf = (managerClass: ManagerClass): number => classes.indexOf(managerClass);

export const classOf = (rank: number): ManagerClass => classes[rank] ?? "user";
