export { strategicMergePatch } from "./strategic-merge.ts";
import { equalJson, isList, isObject, jsonBytes, type Json, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { FieldProblem } from "./contract.ts";
import { shortJson, wrongType } from "./field-problem.ts";

/** JSON Merge Patch (RFC 7386): `null` removes a field, objects merge, everything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const fields = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) fields.delete(name);
    else fields.set(name, mergePatch(fields.get(name), value));
  }
  return Object.fromEntries(fields);
}

export const operationsMax = 10_000;
/** Copies may double a document with every operation, so what they add is bounded. */
export const copiedBytesMax = 3 * 1024 * 1024;

/**
 * JSON Patch (RFC 6902). All operations or none: the first that cannot be done is the answer, with its
 * place in the list as the field.
 */
export function jsonPatch(target: Json, operations: Json): Result<Json, readonly FieldProblem[]> {
  if (!isList(operations)) return err([wrongType("patch", operations, "a list of operations")]);
  if (operations.length > operationsMax) {
    return refuse("patch", undefined, `has ${operations.length} operations`, `send at most ${operationsMax}`);
  }
  let document: Json = target;
  let copied = 0;
  for (const [at, operation] of operations.entries()) {
    const field = `patch[${at}]`;
    if (!isObject(operation)) return err([wrongType(field, operation, "an object with op and path")]);
    if (operation["op"] === "copy" || operation["op"] === "move") copied += jsonBytes(document).length;
    if (copied > copiedBytesMax && operation["op"] === "copy") {
      return refuse(field, operation, "copies too much", "send the values instead of copies");
    }
    const next = operate(document, operation);
    if (typeof next === "string") return refuse(field, operation, next, "correct the operation");
    document = next.document;
  }
  return ok(document);
}

type Done = { readonly document: Json };

/** The document after one operation, or why it cannot be done. */
function operate(document: Json, operation: JsonObject): Done | string {
  const path = pointer(operation["path"]);
  if (path === undefined) return "path is not a JSON pointer";
  const { op, value } = operation;
  switch (op) {
    case "add":
      return value === undefined ? "value is missing" : insert(document, path, value);
    case "remove":
      return path.length === 0
        ? "the whole document cannot be removed"
        : change(document, path, () => undefined);
    case "replace":
      return value === undefined ? "value is missing" : change(document, path, () => value);
    case "test": {
      const found = find(document, path);
      return found !== undefined && equalJson(found, value) ? { document } : "the value there is another";
    }
    case "copy":
    case "move":
      return carry(document, op, operation["from"], path);
    default:
      return `op ${JSON.stringify(op ?? null)} is unknown`;
  }
}

function carry(
  document: Json,
  op: "copy" | "move",
  fromText: Json | undefined,
  path: readonly string[],
): Done | string {
  const from = pointer(fromText);
  if (from === undefined) return "from is not a JSON pointer";
  const value = find(document, from);
  if (value === undefined) return "there is nothing at from";
  if (op === "copy") return insert(document, path, value);
  if (path.length > from.length && from.every((token, at) => path[at] === token)) {
    return "a value cannot be moved into itself";
  }
  if (from.length === 0) return { document };
  const without = change(document, from, () => undefined);
  return typeof without === "string" ? without : insert(without.document, path, value);
}

/** RFC 6901; undefined for a text that is none. */
function pointer(text: Json | undefined): readonly string[] | undefined {
  if (typeof text !== "string" || text.length > 4096) return undefined;
  if (text === "") return [];
  if (!text.startsWith("/") || /~(?![01])/.test(text)) return undefined;
  return text
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function find(document: Json, path: readonly string[]): Json | undefined {
  let found: Json | undefined = document;
  for (const token of path) {
    if (isList(found)) found = found[indexOf(token, found.length - 1) ?? -1];
    else found = isObject(found) && Object.hasOwn(found, token) ? found[token] : undefined;
    if (found === undefined) return undefined;
  }
  return found;
}

/** An array index without leading zeros, at most `max`. */
function indexOf(token: string, max: number): number | undefined {
  const index = /^(0|[1-9]\d{0,8})$/.test(token) ? Number(token) : undefined;
  return index !== undefined && index <= max ? index : undefined;
}

function insert(document: Json, path: readonly string[], value: Json): Done | string {
  if (path.length === 0) return { document: value };
  const last = path.at(-1) ?? "";
  return changeParent(document, path, (parent) => {
    if (isList(parent)) {
      const index = last === "-" ? parent.length : indexOf(last, parent.length);
      return index === undefined ? undefined : parent.toSpliced(index, 0, value);
    }
    return isObject(parent) ? withField(parent, last, value) : undefined;
  });
}

/** Replaces what must be there; undefined removes it. */
function change(document: Json, path: readonly string[], to: () => Json | undefined): Done | string {
  const value = to();
  if (path.length === 0) return { document: value ?? null };
  const last = path.at(-1) ?? "";
  return changeParent(document, path, (parent) => {
    if (isList(parent)) {
      const index = indexOf(last, parent.length - 1);
      if (index === undefined) return undefined;
      return value === undefined ? parent.toSpliced(index, 1) : parent.with(index, value);
    }
    return isObject(parent) && Object.hasOwn(parent, last) ? withField(parent, last, value) : undefined;
  });
}

function changeParent(
  document: Json,
  path: readonly string[],
  edit: (parent: Json) => Json | undefined,
): Done | string {
  const above = path.slice(0, -1);
  const parent = find(document, above);
  const edited = parent === undefined ? undefined : edit(parent);
  if (edited === undefined) return `there is nothing at /${path.join("/")}`;
  let value: Json = edited;
  for (let depth = above.length - 1; depth >= 0; depth--) {
    const around = find(document, above.slice(0, depth));
    const token = above[depth] ?? "";
    if (isList(around)) value = around.with(Number(token), value);
    else if (isObject(around)) value = withField(around, token, value);
  }
  return { document: value };
}

/** Through a Map, so that a field called `__proto__` stays a field. */
function withField(target: JsonObject, name: string, value: Json | undefined): JsonObject {
  const fields = new Map(Object.entries(target));
  if (value === undefined) fields.delete(name);
  else fields.set(name, value);
  return Object.fromEntries(fields);
}

function refuse(
  field: string,
  value: Json | undefined,
  problem: string,
  fix: string,
): Result<never, readonly FieldProblem[]> {
  return err([{ field, value: shortJson(value), problem, fix }]);
}
