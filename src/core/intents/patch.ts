import { equalJson, isList, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { ListMapSchema, Schema } from "./schema.ts";

/** JSON merge patch (RFC 7386): objects merge, null removes, everything else replaces. */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: { [name: string]: Json } = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (name === "__proto__") continue;
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name] ?? null, value);
  }
  return merged;
}

/**
 * Kubernetes' strategic merge patch: as a merge patch, but lists whose items have keys are merged item by
 * item, with the directives `$patch`, `$retainKeys`, `$setElementOrder/x` and `$deleteFromPrimitiveList/x`
 * (kubernetes/community, "Strategic Merge Patch").
 */
export function strategicMergePatch(schema: Schema, target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  if (patch["$patch"] === "replace") return withoutDirectives(patch);
  if (patch["$patch"] === "delete") return {};
  const merged: { [name: string]: Json } = isObject(target) ? { ...target } : {};
  const retained = patch["$retainKeys"];
  if (isList(retained)) {
    for (const name of Object.keys(merged)) if (!retained.includes(name)) delete merged[name];
  }
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith("$") || name === "__proto__") continue;
    const below = childOf(schema, name);
    if (value === null) delete merged[name];
    else if (below?.type === "list-map" && isList(value)) {
      merged[name] = mergeItems(below, asList(merged[name]), value);
    } else if (below?.type === "set" && isList(value)) merged[name] = mergeSet(asList(merged[name]), value);
    else if (below !== undefined && isObject(value)) {
      merged[name] = strategicMergePatch(below, merged[name] ?? {}, value);
    } else merged[name] = mergePatch(merged[name] ?? null, value);
  }
  applyListDirectives(schema, merged, patch);
  return merged;
}

/** JSON patch (RFC 6902); the error says which operation failed and why. */
export function jsonPatch(target: Json, operations: Json): Result<Json, string> {
  if (!isList(operations)) return err("a JSON patch is a list of operations");
  let document: Json = structuredClone(target);
  for (const [at, operation] of operations.entries()) {
    const outcome = isObject(operation) ? applyOperation(document, operation) : err("not an object");
    if (!outcome.ok) return err(`operation ${at}: ${outcome.error}`);
    document = outcome.value;
  }
  return ok(document);
}

declare const structuredClone: <T>(value: T) => T;

function childOf(schema: Schema, name: string): Schema | undefined {
  if (schema.type === "object") return schema.fields[name];
  return schema.type === "map" ? schema.values : undefined;
}

function mergeItems(schema: ListMapSchema, target: readonly Json[], patch: readonly Json[]): Json[] {
  if (
    patch.some((item) => isObject(item) && item["$patch"] === "replace" && Object.keys(item).length === 1)
  ) {
    return patch.filter((item) => !(isObject(item) && item["$patch"] === "replace"));
  }
  let items = [...target];
  for (const entry of patch) {
    if (!isObject(entry)) continue;
    const at = items.findIndex((item) => isObject(item) && sameKeys(schema, item, entry));
    if (entry["$patch"] === "delete") items = items.filter((_, other) => other !== at);
    else if (at < 0) items.push(withoutDirectives(entry));
    else items[at] = strategicMergePatch(schema.item, items[at] ?? {}, entry);
  }
  return items;
}

/** Kubernetes merges ports by `containerPort` or `port` alone: a patch may leave the protocol out. */
function sameKeys(schema: ListMapSchema, item: JsonObject, entry: JsonObject): boolean {
  return schema.keys.every((key) => {
    const otherwise = schema.item.fields[key]?.default ?? null;
    return equalJson(item[key] ?? otherwise, entry[key] ?? otherwise);
  });
}

function mergeSet(target: readonly Json[], patch: readonly Json[]): Json[] {
  const added = patch.filter((value) => !target.some((held) => equalJson(held, value)));
  return [...target, ...added];
}

function applyListDirectives(schema: Schema, merged: { [name: string]: Json }, patch: JsonObject): void {
  for (const [directive, value] of Object.entries(patch)) {
    const [kind, name = ""] = directive.split("/");
    const held = merged[name];
    if (!isList(value) || !isList(held)) continue;
    if (kind === "$deleteFromPrimitiveList") {
      merged[name] = held.filter((item) => !value.some((gone) => equalJson(gone, item)));
    } else if (kind === "$setElementOrder") {
      merged[name] = inOrder(childOf(schema, name), held, value);
    }
  }
}

/** Items in the order asked for; those that are not named keep their place after the named ones. */
function inOrder(schema: Schema | undefined, held: readonly Json[], order: readonly Json[]): Json[] {
  const placeOf = (item: Json): number => {
    const at = order.findIndex((wanted) =>
      schema?.type === "list-map" && isObject(item) && isObject(wanted)
        ? Object.keys(wanted).every((key) => equalJson(item[key], wanted[key]))
        : equalJson(item, wanted),
    );
    return at < 0 ? order.length : at;
  };
  return held
    .map((item, at) => ({ item, at, place: placeOf(item) }))
    .sort((left, right) => left.place - right.place || left.at - right.at)
    .map(({ item }) => item);
}

function withoutDirectives(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !name.startsWith("$")));
}

function asList(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : [];
}

type Mutable = { [name: string]: Json } | Json[];

function applyOperation(document: Json, operation: JsonObject): Result<Json, string> {
  const { op, path, from, value } = operation;
  if (typeof path !== "string") return err("has no path");
  switch (op) {
    case "add":
    case "replace":
      return put(document, path, value ?? null, op === "add");
    case "remove":
      return take(document, path);
    case "test":
      return equalJson(read(document, path), value ?? null) ? ok(document) : err(`${path} has another value`);
    case "copy":
    case "move": {
      const found = typeof from === "string" ? read(document, from) : undefined;
      if (found === undefined || typeof from !== "string") return err("from names nothing");
      const without = op === "move" ? take(document, from) : ok(document);
      return without.ok ? put(without.value, path, structuredClone(found), true) : without;
    }
    default:
      return err(`unknown op ${JSON.stringify(op ?? null)}`);
  }
}

function put(document: Json, path: string, value: Json, insert: boolean): Result<Json, string> {
  const steps = stepsOf(path);
  const last = steps.pop();
  if (last === undefined) return ok(value);
  const parent = walk(document, steps);
  if (parent === undefined) return err(`${path} has no parent`);
  if (Array.isArray(parent)) {
    const at = last === "-" ? parent.length : Number(last);
    if (!Number.isInteger(at) || at < 0 || at > parent.length - (insert ? 0 : 1))
      return err(`${path} is out of range`);
    parent.splice(at, insert ? 0 : 1, value);
  } else {
    if (last === "__proto__" || (!insert && !Object.hasOwn(parent, last)))
      return err(`${path} does not exist`);
    parent[last] = value;
  }
  return ok(document);
}

function take(document: Json, path: string): Result<Json, string> {
  const steps = stepsOf(path);
  const last = steps.pop() ?? "";
  const parent = walk(document, steps);
  if (parent === undefined || read(document, path) === undefined) return err(`${path} does not exist`);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return ok(document);
}

function read(document: Json, path: string): Json | undefined {
  let value: Json | undefined = document;
  for (const step of stepsOf(path)) {
    if (isList(value)) value = value[Number(step)];
    else value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return value;
}

function walk(document: Json, steps: readonly string[]): Mutable | undefined {
  let value: Json | undefined = document;
  for (const step of steps) {
    value = isList(value)
      ? value[Number(step)]
      : isObject(value) && Object.hasOwn(value, step)
        ? value[step]
        : undefined;
  }
  return typeof value === "object" && value !== null ? (value as Mutable) : undefined;
}

function stepsOf(path: string): string[] {
  return path
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}
