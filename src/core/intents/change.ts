import type { Version } from "../kernel/hybrid-clock.ts";
import { equalJson, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { NodeId } from "../records/record.ts";
import { applyWishes } from "./apply.ts";
import type {
  Change,
  ChangeError,
  FieldProblem,
  HeldField,
  IntentBody,
  IntentEntry,
  MergedObject,
} from "./contract.ts";
import { wrongType } from "./field-problem.ts";
import { apiVersionOf, type Kind } from "./kinds/kind.ts";
import { managerParts, rankOf, recordManager, type Operation } from "./manager.ts";
import { rawValue, shownValue } from "./merge.ts";
import { bodyTooLarge, nextBody } from "./next-body.ts";
import { flatten, formatPath, isBelow, itemsAround, orderLast, parsePath, type HeldOrders } from "./path.ts";
import { releaseWishes } from "./release.ts";
import { setProblems, setWishes } from "./set.ts";
import { stateOf, valuesOf, type ObjectState } from "./state.ts";
import { updateWishes } from "./update.ts";
import { problemsOf, validateObject } from "./validate.ts";
import type { WishedChange, Wishes } from "./wishes.ts";

/** Who writes, and with which stamp: larger than every stamp it has seen. */
export type Writer = { readonly author: NodeId; readonly version: Version; readonly actor: string };

export type PlannedChange =
  | { readonly unchanged: true }
  /** The new body of the writer's record for (object, manager); `manager` as in the record's key. */
  | { readonly manager: string; readonly body: IntentBody };

/**
 * Turns a user's change into the new body of our record for (object, manager). Only leaves that change
 * get the new write; everything else keeps the write it has, and with it its place in the history.
 */
export function planChange(
  kind: Kind,
  change: Change,
  entries: readonly IntentEntry[],
  current: MergedObject | undefined,
  by: Writer,
): Result<PlannedChange, ChangeError> {
  const { ref } = change;
  const state = stateOf(kind, entries);
  const exists = state.life.first !== undefined;
  const manager = recordManager(operationOf(change), change.manager);
  if (change.type === "delete") {
    // Deleting what is gone already is refused, but for one use: it settles a conflict with an edit.
    if (!exists && (current?.conflicts.length ?? 0) === 0) return err({ type: "not-found", ref });
    const body = nextBody({ state, manager, class: change.class, by, wishes: new Map(), deletes: true });
    return ok({ manager, body });
  }
  if (change.type === "update" && change.mode === "create" && exists) {
    return err({ type: "already-exists", ref });
  }
  const names = change.type === "set" || change.type === "release";
  const needsIt = names || (change.type === "update" && change.mode === "replace");
  if (needsIt && !exists) return err({ type: "not-found", ref });
  const before = exists ? rawValue(kind, ref, state) : undefined;
  const wished = wishesOf(kind, change, state, manager, before);
  if (!wished.ok) return err({ type: "invalid", ref, problems: wished.error });
  const wishes = wished.value;
  const held = heldByHigherClass(wishes.wishes, state, rankOf(change.class));
  const fields = [...wishes.conflicts, ...held];
  if (fields.length > 0) return err({ type: "conflict", ref, fields: sortedOnce(fields) });
  if (wishes.wishes.size === 0 && exists && change.type !== "set") return ok({ unchanged: true });
  const body = nextBody({ state, manager, class: change.class, by, wishes: wishes.wishes, deletes: false });
  const problems = problemsAfter(kind, change, state, before, {
    author: by.author,
    manager,
    version: by.version,
    body,
  });
  return problems.length > 0 ? err({ type: "invalid", ref, problems }) : ok({ manager, body });
}

function operationOf(change: Change): Operation {
  if (change.type === "set" || change.type === "release") return change.operation;
  return change.type === "apply" ? "Apply" : "Update";
}

function wishesOf(
  kind: Kind,
  change: Exclude<Change, { type: "delete" }>,
  state: ObjectState,
  manager: string,
  before: JsonObject | undefined,
): Result<WishedChange, readonly FieldProblem[]> {
  if (change.type === "set") {
    const problems = setProblems(kind, change);
    return problems.length > 0 ? err(problems) : ok(setWishes(state, change));
  }
  if (change.type === "release") return ok(releaseWishes(state, manager));
  const wanted = wantedObject(kind, change, before);
  if (!wanted.ok) return wanted;
  const desired = desiredLeaves(kind, wanted.value, state);
  return ok(
    change.type === "apply"
      ? applyWishes(state, desired, manager, change)
      : updateWishes(kind, state, desired, before && shownValue(kind, change.ref, state)),
  );
}

/** The configuration or object a user sent, checked by itself and against the object it is meant for. */
function wantedObject(
  kind: Kind,
  change: Extract<Change, { type: "apply" | "update" }>,
  before: JsonObject | undefined,
): Result<JsonObject, readonly FieldProblem[]> {
  const { ref } = change;
  const given = change.type === "apply" ? change.config : change.value;
  const own = given["metadata"] ?? {};
  if (!isObject(own)) return err([wrongType("metadata", own, "an object")]);
  const metadata = { name: ref.name, ...own };
  const problems = [
    ...mismatch("apiVersion", given["apiVersion"], apiVersionOf(kind)),
    ...mismatch("kind", given["kind"], kind.kind),
    ...mismatch("metadata.name", metadata.name, ref.name),
    ...mismatch("metadata.namespace", (metadata as JsonObject)["namespace"], ref.namespace),
  ];
  if (problems.length > 0) return err(problems);
  const valid = validateObject(kind, { ...given, metadata }, { partial: true });
  if (!valid.ok || change.type === "apply") return valid;
  const whole = newProblems(problemsOf(kind, valid.value), kind, before);
  return whole.length > 0 ? err(whole) : valid;
}

function mismatch(field: string, value: Json | undefined, expected: string): FieldProblem[] {
  if (value === undefined || value === null || value === "" || value === expected) return [];
  const fix = expected === "" ? `remove ${field}` : `write ${expected}`;
  return [{ field, value: JSON.stringify(value), problem: "does not match the object it is sent to", fix }];
}

/** The leaves of an object as it is wanted, with the order numbers its items have already. */
function desiredLeaves(kind: Kind, value: JsonObject, state: ObjectState): ReadonlyMap<string, Json> {
  const leaves = flatten(kind.schema, value, heldOrders(valuesOf(state)));
  for (const path of ["metadata.name", "metadata.namespace"]) leaves.delete(path);
  return leaves;
}

function heldOrders(visible: ReadonlyMap<string, Json>): HeldOrders {
  const orders = new Map<string, number>();
  const largest = new Map<string, number>();
  for (const path of visible.keys()) {
    const steps = parsePath(path) ?? [];
    for (const [at, step] of steps.entries()) {
      if (step.type === "field") continue;
      const item = formatPath(steps.slice(0, at + 1));
      const order = visible.get(item);
      orders.set(item, typeof order === "number" ? order : orderLast);
      if (typeof order !== "number" || order === orderLast) continue;
      const list = formatPath(steps.slice(0, at));
      largest.set(list, Math.max(order, largest.get(list) ?? order));
    }
  }
  return { of: (item) => orders.get(item), largestIn: (list) => largest.get(list) };
}

/** Leaves that a higher class holds: writing them would change nothing, so it is refused, not ignored. */
function heldByHigherClass(wishes: Wishes, state: ObjectState, rank: number): readonly HeldField[] {
  const held: HeldField[] = [];
  for (const { path, leaf, winner } of state.leaves.values()) {
    if (winner === undefined || winner.write.rank <= rank || leaf.type !== "value") continue;
    const wish = wishes.get(path);
    const within = itemsAround(parsePath(path) ?? []).some((item) => wishes.get(item)?.op === "remove");
    const changes =
      wish?.op === "set" ? !equalJson(wish.value, winner.value) : wish?.op === "remove" || within;
    const { name, operation } = managerParts(winner.write.manager);
    if (changes) held.push({ path, manager: name, operation });
  }
  return held;
}

/** What would be wrong with the merged object that is not wrong already. */
function problemsAfter(
  kind: Kind,
  change: Exclude<Change, { type: "delete" }>,
  state: ObjectState,
  before: JsonObject | undefined,
  mine: IntentEntry,
): readonly FieldProblem[] {
  if (bodyTooLarge(mine.body)) {
    const fix = "make the object smaller, or delete it and create it again";
    return [{ field: "metadata", value: "", problem: "is too large with its history", fix }];
  }
  const rest = state.entries.filter(
    ({ author, manager }) => author !== mine.author || manager !== mine.manager,
  );
  const after = stateOf(kind, [...rest, mine]);
  // Where the maker's word was void, what is left lacks fields that no object is made without: they may be given.
  const isTorn = before !== undefined && problemsOf(kind, before).length > 0;
  const frozen =
    before === undefined ? [] : changedImmutables(kind, valuesOf(state), valuesOf(after), isTorn);
  return [...frozen, ...newProblems(problemsOf(kind, rawValue(kind, change.ref, after)), kind, before)];
}

function newProblems(
  problems: readonly FieldProblem[],
  kind: Kind,
  before: JsonObject | undefined,
): readonly FieldProblem[] {
  if (before === undefined || problems.length === 0) return problems;
  const known = new Set(problemsOf(kind, before).map(({ field, problem }) => `${field}\0${problem}`));
  return problems.filter(({ field, problem }) => !known.has(`${field}\0${problem}`));
}

function changedImmutables(
  kind: Kind,
  before: ReadonlyMap<string, Json>,
  after: ReadonlyMap<string, Json>,
  mayAdd: boolean,
): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const root of kind.immutable ?? []) {
    const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
    const changed = paths.find(
      (path) =>
        (path === root || isBelow(path, root)) &&
        !equalJson(before.get(path), after.get(path)) &&
        !(mayAdd && !before.has(path)),
    );
    if (changed === undefined) continue;
    const value = JSON.stringify(after.get(changed) ?? null);
    const fix = "keep it as it is, or delete the object and create it again";
    problems.push({ field: root, value, problem: `cannot be changed (${changed})`, fix });
  }
  return problems;
}

function sortedOnce(fields: readonly HeldField[]): readonly HeldField[] {
  const byKey = new Map(fields.map((field) => [`${field.path}\0${field.manager}`, field] as const));
  return [...byKey].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, field]) => field);
}
