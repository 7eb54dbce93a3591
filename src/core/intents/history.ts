import type { Json } from "../kernel/json.ts";
import type { Before, IntentEntry } from "./contract.ts";
import type { Kind } from "./kinds/kind.ts";
import { compareWrites } from "./life.ts";
import { classOf } from "./manager.ts";
import { leafAt, parsePath } from "./path.ts";
import { isFirst, overwrittenIn, type Overwritten, type WriteName } from "./past.ts";
import { stateOf, type ObjectState } from "./state.ts";

/** One write that is still known, with what is still known of it. */
export type KnownWrite = WriteName & {
  readonly deletes: boolean;
  /** It made the object in its present life. */
  readonly first: boolean;
  readonly fields: readonly KnownField[];
};

export type KnownField = {
  readonly path: string;
  readonly op: "set" | "release" | "remove";
  readonly value: Json | undefined;
  /** It is the place of an item in its list, not a value. */
  readonly place: boolean;
  /** Whether it is what the object shows. */
  readonly stands: boolean;
  readonly before: Before;
};

/**
 * The writes of an object that its records still tell of, newest first: those that hold a leaf, and
 * those whose values are remembered because another write overwrote them (past.ts). A write that is
 * neither is gone, so the list has gaps, and an old write may show only some of its fields.
 */
export function historyOf(kind: Kind, given: readonly IntentEntry[]): readonly KnownWrite[] {
  const state = stateOf(kind, given);
  const past = overwrittenIn(state.entries);
  const known = new Map<string, { name: WriteName; deletes: boolean; fields: Map<string, KnownField> }>();
  const at = (name: WriteName, deletes = false): Map<string, KnownField> => {
    const key = keyOf(name);
    const held = known.get(key) ?? { name, deletes, fields: new Map<string, KnownField>() };
    known.set(key, held);
    return held.fields;
  };
  for (const write of state.writes) at({ ...write, class: classOf(write.rank) }, write.deletes);
  for (const { author, manager, body } of state.entries) {
    for (const [path, field] of Object.entries(body.fields)) {
      const write = body.writes[field.write];
      const name = write && {
        author,
        manager,
        class: body.class,
        version: write.version,
        actor: write.actor,
      };
      if (name === undefined || !known.has(keyOf(name))) continue;
      const value = field.op === "set" ? field.value : undefined;
      const stands = standsAt(state, path, name);
      const before = beforeOf(state, past, path, name);
      at(name).set(path, { path, op: field.op, value, place: isPlace(kind, path), stands, before });
    }
  }
  for (const { path, value, was } of past) {
    if (was === undefined || at(was).has(path)) continue;
    const op = value === undefined ? "remove" : "set";
    const before = beforeOf(state, past, path, was);
    at(was).set(path, { path, op, value, place: isPlace(kind, path), stands: false, before });
  }
  return [...known.values()]
    .map(({ name, deletes, fields }): KnownWrite => {
      const { author, manager, version, actor } = name;
      const list = [...fields.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
      const first = isFirst(state, name);
      return { author, manager, class: name.class, version, actor, deletes, first, fields: list };
    })
    .sort(newestFirst);
}

/** What a write found at a leaf. */
export function beforeOf(
  state: ObjectState,
  past: readonly Overwritten[],
  path: string,
  write: Pick<WriteName, "author" | "manager" | "version">,
): Before {
  if (isFirst(state, write)) return { type: "known", value: undefined };
  const old = past.find((held) => held.path === path && keyOf(held.by) === keyOf(write));
  return old === undefined ? { type: "unknown" } : { type: "known", value: old.value };
}

const keyOf = ({ author, manager, version }: Pick<WriteName, "author" | "manager" | "version">): string =>
  `${author}\0${manager}\0${version}`;

const isPlace = (kind: Kind, path: string): boolean =>
  leafAt(kind.schema, parsePath(path) ?? [])?.type === "order";

function standsAt(state: ObjectState, path: string, name: WriteName): boolean {
  const winner = state.leaves.get(path)?.winner;
  return winner !== undefined && keyOf(winner.write) === keyOf(name);
}

function newestFirst(left: KnownWrite, right: KnownWrite): number {
  const order = (write: KnownWrite): Parameters<typeof compareWrites>[0] => ({
    ...write,
    rank: 0,
    seen: {},
  });
  return compareWrites(order(right), order(left));
}
