import type { ObjectRef } from "../records/keys.ts";
import type { Change, IntentEntry } from "./contract.ts";
import type { Kind } from "./kinds/kind.ts";
import { managerParts, rankOf } from "./manager.ts";
import { rawValue } from "./merge.ts";
import { stateOf, type ObjectState } from "./state.ts";

/**
 * The change that brings a deleted object back as its records still tell it, as if its deletions had not
 * been. The manager that held most of it holds it again, so that its next apply meets no conflict.
 *
 * @returns undefined when the object exists, or when nothing of it is left.
 */
export function revive(kind: Kind, ref: ObjectRef, entries: readonly IntentEntry[]): Change | undefined {
  if (stateOf(kind, entries).life.first !== undefined) return undefined;
  const state = withoutNewestDeletions(kind, entries);
  if (state === undefined || state.leaves.size === 0) return undefined;
  const value = rawValue(kind, ref, state);
  const { name, operation } = managerParts(mainManager(state));
  return operation === "Apply"
    ? { type: "apply", ref, config: value, manager: name, class: "user", force: true }
    : { type: "update", ref, value, manager: name, class: "user", mode: "create" };
}

/** Deletions are taken away newest first, until the object is there: an older one ended another life. */
function withoutNewestDeletions(kind: Kind, entries: readonly IntentEntry[]): ObjectState | undefined {
  const versions = entries.flatMap(({ body }) =>
    body.writes.flatMap(({ deletes, version }) => (deletes === true ? [version] : [])),
  );
  for (const since of versions.sort((left, right) => right - left)) {
    const state = stateOf(
      kind,
      entries.map((entry) => withoutDeletions(entry, since)),
    );
    if (state.life.first !== undefined && state.leaves.size > 0) return state;
  }
  return undefined;
}

/** A deletion without its mark is a write that writes nothing. */
function withoutDeletions(entry: IntentEntry, since: number): IntentEntry {
  const writes = entry.body.writes.map((write) => {
    if (write.deletes !== true || write.version < since) return write;
    const { version, seen, actor } = write;
    return { version, seen, actor };
  });
  return { ...entry, body: { ...entry.body, writes } };
}

function mainManager(state: ObjectState): string {
  const counts = new Map<string, number>();
  for (const { winner } of state.leaves.values()) {
    if (winner?.op !== "set" || winner.write.rank !== rankOf("user")) continue;
    counts.set(winner.write.manager, (counts.get(winner.write.manager) ?? 0) + 1);
  }
  let [main, most] = ["update:starlight", 0];
  for (const [manager, count] of [...counts].sort(([left], [right]) => (left < right ? -1 : 1))) {
    if (count > most) [main, most] = [manager, count];
  }
  return main;
}
