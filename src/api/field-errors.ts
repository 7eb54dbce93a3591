import { wrongType } from "../core/intents/field-problem.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import { lineOf } from "./field-causes.ts";
import { badRequest } from "./status.ts";

/** A text in the body of one of our own routes; empty where it is missing. */
export function textIn(body: JsonObject, field: string, path = field): string {
  const value = body[field];
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw badRequest(lineOf(wrongType(path, value, "a string")));
  return value;
}

/** A flag in such a body; false where it is missing: another value would not do what was meant. */
export function flagIn(body: JsonObject, field: string): boolean {
  const value = body[field];
  if (value === undefined || value === null) return false;
  if (typeof value !== "boolean") throw badRequest(lineOf(wrongType(field, value, "true or false")));
  return value;
}
