import { versionMax } from "../kernel/hybrid-clock.ts";
import { isList, isObject, type Json } from "../kernel/json.ts";
import {
  dictionary,
  fields,
  flag,
  integer,
  list,
  oneOf,
  optional,
  text,
  type Shape,
} from "../kernel/shape.ts";
import type { IntentBody, IntentField, IntentWrite } from "./contract.ts";
import { isPoisoned, readPast, writePast } from "./past.ts";
import { parsePath } from "./path.ts";

/**
 * The JSON of an intent record:
 *
 *     { class, writes: [{ version, seen, actor, deletes? }], fields: { path: field }, past? }
 *
 * where a field is `["=", write, value]`, `["release", write]` or `["remove", write]`; `past` is written
 * in past.ts, and what is wrong in it is left out, because nothing depends on it. The author may be
 * hostile, so everything has a bound, and a path must be spelled the one canonical way.
 */
export const fieldsMax = 8192;
export const writesMax = 1024;
export const actorLengthMax = 256;
export const pathLengthMax = 2048;

const version = integer(0, versionMax);
const writeShape = fields({
  version,
  seen: dictionary(version, 4096, 20),
  actor: text(actorLengthMax),
  deletes: optional(flag),
});
const bodyShape = fields({
  class: oneOf("override", "git", "user"),
  writes: list(writeShape, writesMax),
  fields: dictionary(fieldShape(), fieldsMax, pathLengthMax),
});

/** Undefined for anything that is not an intent body within the bounds. */
export function readIntentBody(json: Json | undefined): IntentBody | undefined {
  const shaped = bodyShape(json);
  if (shaped === undefined) return undefined;
  const writes = shaped.writes.map(({ version, seen, actor, deletes }): IntentWrite => ({
    version,
    seen,
    actor,
    ...(deletes === true ? { deletes } : {}),
  }));
  const sound = Object.entries(shaped.fields).every(
    ([path, { write }]) =>
      writes[write] !== undefined && writes[write].deletes !== true && parsePath(path) !== undefined,
  );
  if (!sound) return undefined;
  const past = readPast(isObject(json) ? json["past"] : undefined);
  return { class: shaped.class, writes, fields: shaped.fields, ...(past.length > 0 ? { past } : {}) };
}

export function writeIntentBody(body: IntentBody): Json {
  const writes = body.writes.map(({ version, seen, actor, deletes }) => ({
    version,
    seen,
    actor,
    ...(deletes === true ? { deletes } : {}),
  }));
  const written: { [path: string]: Json } = {};
  for (const [path, field] of Object.entries(body.fields)) {
    written[path] = field.op === "set" ? ["=", field.write, field.value] : [field.op, field.write];
  }
  const past = body.past === undefined ? {} : { past: writePast(body.past) };
  return { class: body.class, writes, fields: written, ...past };
}

function fieldShape(): Shape<IntentField> {
  const index = integer(0, writesMax - 1);
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
