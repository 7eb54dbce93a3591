import { isList, isObject, parseJson, jsonBytes, type Json, type JsonObject } from "../kernel/json.ts";
import type { Result } from "../kernel/result.ts";
import type { ObjectRef } from "../records/keys.ts";
import { readIntentBody, writeIntentBody } from "./body.ts";
import { planChange } from "./change.ts";
import type { Change, ChangeError, IntentEntry, ManagerClass, MergedObject } from "./contract.ts";
import type { Kind } from "./kinds/kind.ts";
import { mergeObject } from "./merge.ts";
import { kindOf } from "./kinds/index.ts";
import { planResolve, type Choice } from "./resolve.ts";
import { planUndo, type UndoError, type UndoPlan, type UndoWish } from "./undo.ts";

/** Nodes that write one object and exchange their records, for tests of this folder. */
export type Replica = { readonly author: string; readonly held: Map<string, IntentEntry>; clock: number };

export type WriteOptions = {
  readonly manager?: string;
  readonly class?: ManagerClass;
  readonly actor?: string;
};

export class Testbed {
  readonly kind: Kind;
  readonly ref: ObjectRef;
  readonly replicas: readonly Replica[];
  /** Every entry that was ever written, oldest first. */
  readonly history: IntentEntry[] = [];
  #now = 1000;

  constructor(ref: ObjectRef, count: number) {
    const kind = kindOf(ref.group, ref.kind);
    if (kind === undefined) throw new Error(`no kind ${ref.kind}`);
    this.kind = kind;
    this.ref = ref;
    this.replicas = Array.from({ length: count }, (_, at) => ({
      author: `${"abcdef"[at] ?? "z"}`.repeat(20),
      held: new Map<string, IntentEntry>(),
      clock: 0,
    }));
  }

  apply(at: number, config: JsonObject, options: WriteOptions & { readonly force?: boolean } = {}): Outcome {
    const { force = false, ...rest } = options;
    return this.write(
      at,
      { type: "apply", ref: this.ref, config, force, ...named(rest, "applier") },
      rest.actor,
    );
  }

  update(
    at: number,
    value: JsonObject,
    options: WriteOptions & { readonly mode?: "create" | "replace" } = {},
  ): Outcome {
    const { mode = "upsert", ...rest } = options;
    return this.write(
      at,
      { type: "update", ref: this.ref, value, mode, ...named(rest, "editor") },
      rest.actor,
    );
  }

  delete(at: number, options: WriteOptions = {}): Outcome {
    return this.write(at, { type: "delete", ref: this.ref, ...named(options, "editor") }, options.actor);
  }

  /** Ends the conflict at a path as seen at a node. */
  resolve(at: number, path: string, choice: Choice): Outcome {
    const conflict = this.merged(at)?.conflicts.find((found) => found.path === path);
    if (conflict === undefined) throw new Error(`no conflict at ${path}`);
    const planned = planResolve(this.kind, this.ref, this.entries(at), conflict, choice);
    if (!planned.ok) throw new Error(`cannot be resolved: ${planned.error.type}`);
    return this.write(at, planned.value);
  }

  planUndo(at: number, wish: UndoWish = {}): Result<UndoPlan, UndoError> {
    return planUndo(this.kind, this.ref, this.entries(at), wish);
  }

  undo(at: number, wish: UndoWish = {}): Outcome {
    const planned = this.planUndo(at, wish);
    if (!planned.ok) throw new Error(`cannot be undone: ${planned.error.type}`);
    return this.write(at, planned.value.change);
  }

  entries(at: number): readonly IntentEntry[] {
    return [...this.replica(at).held.values()];
  }

  /** Changes one place of the object as it is seen at a node; undefined removes it. */
  edit(at: number, path: string, leaf: Json | undefined, options: WriteOptions = {}): Outcome {
    return this.update(at, put(this.value(at), path, leaf), options);
  }

  write(at: number, change: Change, actor = "someone"): Outcome {
    const replica = this.replica(at);
    const version = Math.max(++this.#now, replica.clock + 1);
    const entries = [...replica.held.values()];
    const by = { author: replica.author, version, actor };
    const planned = planChange(this.kind, change, entries, this.merged(at), by);
    if (!planned.ok) return { type: "refused", error: planned.error };
    if ("unchanged" in planned.value) return { type: "unchanged" };
    const json = parseJson(jsonBytes(writeIntentBody(planned.value.body)));
    const body = readIntentBody(json);
    if (body === undefined) throw new Error("a body that cannot be read back");
    replica.clock = version;
    const entry = { author: replica.author, manager: planned.value.manager, version, body };
    this.history.push(entry);
    this.take(replica, entry);
    return { type: "written", entry };
  }

  /** Both nodes get everything the other has. */
  sync(one: number, other: number): void {
    const [left, right] = [this.replica(one), this.replica(other)];
    for (const entry of left.held.values()) this.take(right, entry);
    for (const entry of right.held.values()) this.take(left, entry);
  }

  syncAll(): void {
    for (let at = 1; at < this.replicas.length; at++) this.sync(0, at);
    for (let at = 1; at < this.replicas.length; at++) this.sync(0, at);
  }

  take(replica: Replica, entry: IntentEntry): void {
    const slot = `${entry.author} ${entry.manager}`;
    const held = replica.held.get(slot);
    if (held === undefined || held.version < entry.version) replica.held.set(slot, entry);
    replica.clock = Math.max(replica.clock, entry.version);
  }

  merged(at: number): MergedObject | undefined {
    return mergeObject(this.kind, this.ref, [...this.replica(at).held.values()]);
  }

  value(at: number): JsonObject {
    return this.merged(at)?.value ?? {};
  }

  replica(at: number): Replica {
    const replica = this.replicas[at];
    if (replica === undefined) throw new Error(`no replica ${at}`);
    return replica;
  }
}

export type Outcome =
  | { readonly type: "written"; readonly entry: IntentEntry }
  | { readonly type: "unchanged" }
  | { readonly type: "refused"; readonly error: ChangeError };

export const deploymentRef: ObjectRef = {
  group: "apps",
  kind: "Deployment",
  namespace: "default",
  name: "web",
};
export const configMapRef: ObjectRef = {
  group: "",
  kind: "ConfigMap",
  namespace: "default",
  name: "settings",
};

export function deployment(
  containers: readonly JsonObject[] = [{ name: "web", image: "web:1" }],
): JsonObject {
  const labels = { app: "web" };
  const template = { metadata: { labels }, spec: { containers } };
  return { metadata: { name: "web" }, spec: { selector: { matchLabels: labels }, template } };
}

export const configMap = (data: JsonObject): JsonObject => ({ metadata: { name: "settings" }, data });

/** A copy with another value at a path (names and item numbers, joined by `/`); undefined removes it. */
export function put(value: JsonObject, path: string, leaf: Json | undefined): JsonObject {
  return putAt(value, path.split("/"), leaf) as JsonObject;
}

function putAt(value: Json | undefined, path: readonly string[], leaf: Json | undefined): Json | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return leaf;
  if (isList(value)) {
    const items = [...value];
    const item = putAt(items[Number(name)], rest, leaf);
    items.splice(Number(name), 1, ...(item === undefined ? [] : [item]));
    return items;
  }
  const fields: { [name: string]: Json } = isObject(value) ? { ...value } : {};
  const below = putAt(fields[name], rest, leaf);
  if (below === undefined) delete fields[name];
  else fields[name] = below;
  return fields;
}

/** What lies at a path. */
export function at(value: Json | undefined, path: string): Json | undefined {
  let found: Json | undefined = value;
  for (const name of path.split("/")) {
    if (isList(found)) found = found[Number(name)];
    else found = isObject(found) ? found[name] : undefined;
  }
  return found;
}

function named(options: WriteOptions, manager: string): { manager: string; class: ManagerClass } {
  return { manager: options.manager ?? manager, class: options.class ?? "user" };
}
