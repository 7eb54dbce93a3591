import { isList, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { FieldProblem } from "./contract.ts";
import type { Kind } from "./kinds/kind.ts";
import { serverMetadata } from "./kinds/metadata.ts";
import { missing, shapeProblems, shortJson, wrongType } from "./field-problem.ts";
import { quantityIn } from "./quantity.ts";
import type { ListMapSchema, MapSchema, ObjectSchema, Schema, SetSchema, TextRule } from "./schema.ts";

/**
 * Checks an object against its kind, strictly: a field that is not supported is refused by name, with the
 * nearest one that is. What servers fill in (status, uid, ...) is accepted and dropped.
 *
 * @param options `partial`: an applied configuration, in which required fields may be missing.
 * @returns The object without dropped fields and without nulls; defaults are not written into it.
 */
export function validateObject(
  kind: Kind,
  value: JsonObject,
  options: { readonly partial?: boolean } = {},
): Result<JsonObject, readonly FieldProblem[]> {
  const cleaned = withoutServerFields(value);
  const problems = options.partial === true ? schemaProblems(kind, cleaned, true) : problemsOf(kind, cleaned);
  return problems.length > 0 ? err(problems) : ok(cleaned);
}

const problemsMax = 50;

/** Everything wrong with a whole object. */
export function problemsOf(kind: Kind, value: JsonObject): FieldProblem[] {
  const problems = schemaProblems(kind, value, false);
  return problems.length > 0 ? problems : [...kind.check(value)];
}

/** Fills in what Kubernetes assumes for missing fields. */
export function withDefaults(kind: Kind, value: JsonObject): JsonObject {
  const filled = fill(kind.schema, value);
  return isObject(filled) ? { ...value, ...filled } : value;
}

/** Whether a value has the shape of a leaf; required fields within it count. */
export function fitsShape(schema: Schema, value: Json): boolean {
  const check: Check = { problems: [], partial: false };
  checkValue(check, schema, value, "");
  return check.problems.length === 0;
}

function schemaProblems(kind: Kind, value: JsonObject, partial: boolean): FieldProblem[] {
  const { apiVersion: _version, kind: _kind, ...rest } = value;
  const check: Check = { problems: [], partial };
  checkValue(check, kind.schema, rest, "");
  return check.problems.slice(0, problemsMax);
}

type Check = { readonly problems: FieldProblem[]; readonly partial: boolean };

function checkValue(
  check: Check,
  schema: Schema,
  value: Json,
  field: string,
  keys: readonly string[] = [],
): void {
  switch (schema.type) {
    case "object":
      return isObject(value)
        ? checkFields(check, schema, value, field, keys)
        : reportType(check, field, value, "an object");
    case "map":
      return isObject(value)
        ? checkMap(check, schema, value, field)
        : reportType(check, field, value, "an object");
    case "list-map":
    case "set":
    case "list":
      return isList(value)
        ? checkItems(check, schema, value, field)
        : reportType(check, field, value, "a list");
    case "text":
      return typeof value === "string"
        ? checkText(check, schema, value, field)
        : reportType(check, field, value, "a string");
    case "int":
      return checkInt(check, schema, value, field, "an integer");
    case "bool":
      if (typeof value !== "boolean") reportType(check, field, value, "true or false");
      return;
    case "int-or-text":
      return typeof value === "string"
        ? checkText(check, schema, value, field)
        : checkInt(check, schema, value, field, "an integer or a string");
    case "quantity":
      if ((quantityIn(value, "milli") ?? -1) < 0) {
        report(check, field, value, "is not a quantity", 'use for example "500m", "2" or "64Mi"');
      }
      return;
    case "any":
      return;
  }
}

/** @param keys In a partial configuration, too, an item must say which item it is. */
function checkFields(
  check: Check,
  schema: ObjectSchema,
  value: JsonObject,
  field: string,
  keys: readonly string[],
): void {
  for (const name of Object.keys(value)) {
    const child = value[name];
    const shape = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
    if (shape === undefined) unknownField(check, schema, name, child ?? null, below(field, name));
    else if (child !== undefined && child !== null) checkValue(check, shape, child, below(field, name));
  }
  for (const [name, shape] of Object.entries(schema.fields)) {
    const isMissing = value[name] === undefined || value[name] === null;
    if (shape.required === true && isMissing && !(check.partial && !keys.includes(name))) {
      check.problems.push(missing(below(field, name), shape.description));
    }
  }
  const chosen = (schema.oneOf ?? []).filter((name) => value[name] !== undefined && value[name] !== null);
  const choices = (schema.oneOf ?? []).join(", ");
  if (chosen.length > 1)
    report(check, field, undefined, `has ${chosen.join(" and ")}`, `keep one of ${choices}`);
  if (schema.oneRequired === true && chosen.length === 0 && !check.partial) {
    report(check, field, undefined, "says nothing", `give one of ${choices}`);
  }
}

function checkMap(check: Check, schema: MapSchema, value: JsonObject, field: string): void {
  for (const [key, child] of Object.entries(value)) {
    const at = `${field}[${key}]`;
    if (key === "__proto__") report(check, at, child, "is not allowed as a key", "choose another key");
    checkText(check, schema.keys, key, at);
    if (child !== null) checkValue(check, schema.values, child, at);
  }
}

function checkItems(
  check: Check,
  schema: Extract<Schema, { type: "list-map" | "set" | "list" }>,
  value: readonly Json[],
  field: string,
): void {
  if (schema.type === "list" && schema.lengthMax !== undefined && value.length > schema.lengthMax) {
    report(check, field, undefined, `has ${value.length} items`, `at most ${schema.lengthMax} are allowed`);
  }
  const seen = new Map<string, number>();
  value.forEach((item, at) => {
    checkValue(check, schema.item, item, `${field}[${at}]`, schema.type === "list-map" ? schema.keys : []);
    if (schema.type === "list") return;
    const key = keyText(schema, item);
    const before = seen.get(key);
    if (before !== undefined)
      report(
        check,
        `${field}[${at}]`,
        undefined,
        `is the same as item ${before}: ${key}`,
        "remove one of them",
      );
    seen.set(key, at);
  });
}

function keyText(schema: ListMapSchema | SetSchema, item: Json): string {
  if (schema.type === "set" || !isObject(item)) return JSON.stringify(item);
  return schema.keys
    .map((key) => `${key}=${JSON.stringify(item[key] ?? schema.item.fields[key]?.default ?? null)}`)
    .join(", ");
}

function checkText(check: Check, rule: TextRule, value: string, field: string): void {
  const { pattern, choices, lengthMin, lengthMax } = rule;
  if (choices !== undefined && !choices.includes(value)) {
    const supported = choices.map((choice) => JSON.stringify(choice)).join(", ");
    report(check, field, value, shapeProblems.unsupported, `supported values: ${supported}`);
  } else if (pattern !== undefined && !pattern.test.test(value)) {
    report(check, field, value, "is not valid", `must be ${pattern.says}`);
  } else if (lengthMax !== undefined && value.length > lengthMax) {
    report(check, field, value, `has ${value.length} characters`, `at most ${lengthMax} are allowed`);
  } else if (lengthMin !== undefined && value.length < lengthMin) {
    report(check, field, value, "is too short", `at least ${lengthMin} characters are needed`);
  }
}

function checkInt(
  check: Check,
  { min, max }: { min: number; max: number },
  value: Json,
  field: string,
  must: string,
): void {
  if (typeof value !== "number" || !Number.isInteger(value)) return reportType(check, field, value, must);
  if (value < min || value > max)
    report(check, field, value, "is out of range", `must be from ${min} to ${max}`);
}

function unknownField(check: Check, schema: ObjectSchema, name: string, value: Json, field: string): void {
  if (schema.unsupported?.includes(name) === true) {
    return report(check, field, value, "is not supported by Starlight", "remove it");
  }
  const near = nearest(name, Object.keys(schema.fields));
  const known = Object.keys(schema.fields).join(", ");
  report(
    check,
    field,
    value,
    "is not a known field",
    near === undefined ? `known are: ${known}` : `did you mean ${near}?`,
  );
}

function reportType({ problems }: Check, field: string, value: Json, must: string): void {
  problems.push(wrongType(field, value, must));
}

function report(check: Check, field: string, value: Json | undefined, problem: string, fix: string): void {
  check.problems.push({ field, value: shortJson(value), problem, fix });
}

const below = (field: string, name: string): string => (field === "" ? name : `${field}.${name}`);

/** The known name that is at most two edits away. */
function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein distance. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let at = 1; at <= left.length; at++) {
    const next = [at];
    for (let to = 1; to <= right.length; to++) {
      const change = (row[to - 1] ?? 0) + (left[at - 1] === right[to - 1] ? 0 : 1);
      next.push(Math.min(change, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

function withoutServerFields(value: JsonObject): JsonObject {
  const { status: _status, metadata, ...rest } = value;
  if (!isObject(metadata)) return withoutNulls(metadata === undefined ? rest : { ...rest, metadata });
  const own = Object.fromEntries(Object.entries(metadata).filter(([name]) => !serverMetadata.has(name)));
  return withoutNulls({ ...rest, metadata: own });
}

/** `creationTimestamp: null` and the like: a null says that there is nothing. */
function withoutNulls(value: JsonObject): JsonObject {
  const kept: { [name: string]: Json } = {};
  for (const [name, child] of Object.entries(value)) {
    if (child === null) continue;
    const value = isObject(child)
      ? withoutNulls(child)
      : isList(child)
        ? child.map((item) => (isObject(item) ? withoutNulls(item) : item))
        : (child ?? null);
    // An assignment to `__proto__` would change the prototype; as an own field it is refused by name.
    if (name === "__proto__") Object.defineProperty(kept, name, { value, enumerable: true });
    else kept[name] = value;
  }
  return kept;
}

function fill(schema: Schema, value: Json): Json {
  if (schema.type === "object" && isObject(value)) {
    const filled: { [name: string]: Json } = { ...value };
    for (const [name, shape] of Object.entries(schema.fields)) {
      const child = filled[name] ?? shape.default;
      if (child !== undefined) filled[name] = fill(shape, child);
    }
    return filled;
  }
  if ((schema.type === "list-map" || schema.type === "list") && isList(value)) {
    return value.map((item) => fill(schema.item, item));
  }
  return value;
}
