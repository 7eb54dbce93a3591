import type { Version } from "../kernel/hybrid-clock.ts";
import { equalJson, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { NodeId } from "../records/record.ts";
import type {
  Change,
  ChangeError,
  IntentBody,
  IntentEntry,
  IntentField,
  IntentWrite,
  MergedObject,
} from "./contract.ts";
import type { Kind } from "./kinds/kind.ts";
import { flatten, leafAt, parsePath } from "./path.ts";
import { hasSeen, resolve, seenBy, type Op, type Resolved } from "./resolve.ts";
import { problemsOf, validateObject } from "./validate.ts";
import { mergeObject } from "./merge.ts";

/** Who writes, and with which stamp. */
export type Writer = { readonly author: NodeId; readonly version: Version; readonly actor: string };

export type PlannedChange =
  | { readonly unchanged: true }
  /** The new body of the writer's record for (object, manager). */
  | { readonly manager: string; readonly body: IntentBody };

/** What a leaf is to become: `keep` leaves out what already is so. */
type Wish = { readonly op: "set"; readonly value: Json } | { readonly op: "release" | "remove" };

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
  const resolved = resolve(kind.schema, entries);
  const exists = current?.exists === true;
  if (change.type === "delete") {
    if (!exists) return err({ type: "not-found", ref: change.ref });
    return ok({
      manager: change.manager,
      body: bodyWith(change, entries, resolved, by, new Map(), { deletes: true }),
    });
  }
  if (change.type === "update") {
    if (change.mode === "create" && exists) return err({ type: "already-exists", ref: change.ref });
    if (change.mode === "replace" && !exists) return err({ type: "not-found", ref: change.ref });
  }
  const value = change.type === "apply" ? change.config : change.value;
  const valid = validateObject(kind, value, { partial: change.type === "apply" });
  if (!valid.ok) return err({ type: "invalid", ref: change.ref, problems: valid.error });
  const leaves = leavesOf(kind, valid.value, resolved);
  const wishes =
    change.type === "apply"
      ? applyWishes(kind, change, leaves, resolved)
      : ok(updateWishes(leaves, resolved));
  if (!wishes.ok) return wishes;
  if (wishes.value.size === 0 && exists) return ok({ unchanged: true });
  const applies = change.type === "apply" ? { applies: true as const } : {};
  const body = bodyWith(change, entries, resolved, by, wishes.value, applies);
  const problems = change.type === "apply" ? mergedProblems(kind, change, entries, body, by) : [];
  if (problems.length > 0) return err({ type: "invalid", ref: change.ref, problems });
  return ok({ manager: change.manager, body });
}

/** The leaves of a whole object; what identifies it is not a leaf. */
function leavesOf(kind: Kind, value: JsonObject, { leaves }: Resolved): Map<string, Json> {
  const { apiVersion: _version, kind: _kind, metadata, ...rest } = value;
  const { name: _name, namespace: _namespace, ...meta } = isObject(metadata) ? metadata : {};
  const orderOf = (path: string): number | undefined => {
    const order = leaves.get(path)?.value;
    return typeof order === "number" ? order : undefined;
  };
  const described = Object.keys(meta).length === 0 ? rest : { ...rest, metadata: meta };
  return flatten(kind.schema, described, orderOf);
}

function updateWishes(leaves: ReadonlyMap<string, Json>, { leaves: now }: Resolved): Map<string, Wish> {
  const wishes = new Map<string, Wish>();
  for (const [path, value] of leaves) {
    if (!equalJson(now.get(path)?.value, value)) wishes.set(path, { op: "set", value });
  }
  for (const path of now.keys()) if (!leaves.has(path)) wishes.set(path, { op: "remove" });
  return wishes;
}

function applyWishes(
  kind: Kind,
  change: Extract<Change, { type: "apply" }>,
  leaves: ReadonlyMap<string, Json>,
  resolved: Resolved,
): Result<Map<string, Wish>, ChangeError> {
  const wishes = new Map<string, Wish>();
  const taken: { path: string; manager: string }[] = [];
  const mine = resolved.owned.get(change.manager) ?? new Map<string, Op>();
  for (const [path, value] of leaves) {
    const now = resolved.leaves.get(path);
    const held = mine.get(path);
    if (held !== undefined && equalJson(held.value, value) && equalJson(now?.value, value)) continue;
    if (now !== undefined && !equalJson(now.value, value) && isValue(kind, path)) {
      for (const manager of holdersOf(path, resolved))
        if (manager !== change.manager) taken.push({ path, manager });
    }
    wishes.set(path, { op: "set", value });
  }
  if (taken.length > 0 && !change.force) return err({ type: "conflict", ref: change.ref, fields: taken });
  for (const path of mine.keys()) {
    if (leaves.has(path)) continue;
    const others = holdersOf(path, resolved).filter((manager) => manager !== change.manager);
    wishes.set(path, { op: others.length > 0 ? "release" : "remove" });
  }
  return ok(wishes);
}

/** The managers whose value of a leaf stands. One that was overruled by somebody who knew is not among them. */
function holdersOf(path: string, { owned, leaves }: Resolved): string[] {
  const now = leaves.get(path);
  const holders: string[] = [];
  for (const manager of [...owned.keys()].sort()) {
    const claim = owned.get(manager)?.get(path);
    if (claim !== undefined && equalJson(claim.value, now?.value)) holders.push(manager);
  }
  return holders;
}

function isValue(kind: Kind, path: string): boolean {
  const steps = parsePath(path);
  return steps !== undefined && leafAt(kind.schema, steps)?.type === "value";
}

function bodyWith(
  change: Change,
  entries: readonly IntentEntry[],
  { all }: Resolved,
  by: Writer,
  wishes: ReadonlyMap<string, Wish>,
  does: Pick<IntentWrite, "deletes" | "applies">,
): IntentBody {
  const own = entries.find((entry) => entry.author === by.author && entry.manager === change.manager);
  const write: IntentWrite = { version: by.version, seen: seenBy(all, by.author), actor: by.actor, ...does };
  const writes = [...(own?.body.writes ?? []), write];
  const fields: { [path: string]: IntentField } = { ...own?.body.fields };
  const at = writes.length - 1;
  for (const [path, wish] of wishes) {
    fields[path] =
      wish.op === "set" ? { op: "set", write: at, value: wish.value } : { op: wish.op, write: at };
  }
  return compacted({ class: change.class, writes, fields }, by.author);
}

/** Drops writes that no field refers to any more; deletes stay, but for those that a newer one covers. */
function compacted(body: IntentBody, author: NodeId): IntentBody {
  const used = new Set(Object.values(body.fields).map(({ write }) => write));
  const side = { author, manager: "", class: body.class };
  const kept = body.writes.map((write, at) => {
    if (at === body.writes.length - 1 || used.has(at)) return true;
    if (write.deletes !== true) return false;
    return !body.writes.some(
      (later) => later.deletes === true && hasSeen({ ...later, ...side }, { ...write, ...side }),
    );
  });
  const renumbered = new Map<number, number>();
  const writes = body.writes.filter((_, at) => {
    if (kept[at] === true) renumbered.set(at, renumbered.size);
    return kept[at] === true;
  });
  const fields: { [path: string]: IntentField } = {};
  for (const [path, field] of Object.entries(body.fields)) {
    fields[path] = { ...field, write: renumbered.get(field.write) ?? 0 };
  }
  return { class: body.class, writes, fields };
}

/** An applied configuration may be partial; what comes out of the merge must be whole. */
function mergedProblems(
  kind: Kind,
  change: Change,
  entries: readonly IntentEntry[],
  body: IntentBody,
  by: Writer,
): ReturnType<typeof problemsOf> {
  const rest = entries.filter((entry) => entry.author !== by.author || entry.manager !== change.manager);
  const mine: IntentEntry = { author: by.author, manager: change.manager, version: by.version, body };
  const merged = mergeObject(kind, change.ref, [...rest, mine]);
  return merged === undefined ? [] : problemsOf(kind, merged.value);
}
