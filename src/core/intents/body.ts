import { versionMax } from "../kernel/hybrid-clock.ts";
import { isList, isObject, type Json } from "../kernel/json.ts";
import { dictionary, fields, integer, list, oneOf, optional, text, type Shape } from "../kernel/shape.ts";
import type { IntentBody, IntentField, IntentWrite } from "./contract.ts";

/**
 * The JSON of an intent record:
 *
 *     { class, writes: [{ version, seen, actor, does? }], fields: { path: [write, value] | [write, op] } }
 *
 * where a field is `["=", write, value]`, `["release", write]` or `["remove", write]`.
 */

const version = integer(0, versionMax);
const writeShape = fields({
  version,
  seen: dictionary(version, 4096, 20),
  actor: text(256),
  does: optional(oneOf("delete", "apply")),
});
const bodyShape = fields({
  class: oneOf("override", "git", "user"),
  writes: list(writeShape, 1024),
  fields: dictionary(fieldShape(), 8192, 2048),
});

/** Undefined for anything that is not an intent body within the bounds. */
export function readIntentBody(json: Json | undefined): IntentBody | undefined {
  const shaped = bodyShape(json);
  if (shaped === undefined) return undefined;
  const writes = shaped.writes.map(({ version, seen, actor, does }): IntentWrite => ({
    version,
    seen,
    actor,
    ...(does === "delete" ? { deletes: true } : {}),
    ...(does === "apply" ? { applies: true } : {}),
  }));
  const known = Object.values(shaped.fields).every(({ write }) => write < writes.length);
  return known ? { class: shaped.class, writes, fields: shaped.fields } : undefined;
}

export function writeIntentBody(body: IntentBody): Json {
  const writes = body.writes.map(({ version, seen, actor, deletes, applies }) => ({
    version,
    seen,
    actor,
    ...(deletes === true ? { does: "delete" } : applies === true ? { does: "apply" } : {}),
  }));
  const written: { [path: string]: Json } = {};
  for (const [path, field] of Object.entries(body.fields)) {
    written[path] = field.op === "set" ? ["=", field.write, field.value] : [field.op, field.write];
  }
  return { class: body.class, writes, fields: written };
}

function fieldShape(): Shape<IntentField> {
  const index = integer(0, 1023);
  return (json) => {
    if (!isList(json)) return undefined;
    const [op, at, value] = json;
    const write = index(at);
    if (write === undefined) return undefined;
    if (op === "=" && json.length === 3 && value !== undefined && !isPoisoned(value)) {
      return { op: "set", write, value };
    }
    return (op === "release" || op === "remove") && json.length === 2 ? { op, write } : undefined;
  };
}

/** Keys that would change an object's prototype when it is copied. */
function isPoisoned(value: Json): boolean {
  if (isList(value)) return value.some(isPoisoned);
  if (!isObject(value)) return false;
  return Object.keys(value).some((key) => key === "__proto__" || isPoisoned(value[key] ?? null));
}
