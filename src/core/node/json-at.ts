import { isList, isObject, type Json, type JsonObject } from "../kernel/json.ts";

/** Reading what a manifest says: a field of the wrong kind is as if it were missing. */

export function objectAt(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  return isObject(value) ? value : {};
}

export function listAt(json: JsonObject, key: string): readonly Json[] {
  const value = json[key];
  return isList(value) ? value : [];
}

export function textAt(json: JsonObject, key: string): string | undefined {
  const value = json[key];
  return typeof value === "string" ? value : undefined;
}

export function numberAt(json: JsonObject, key: string, otherwise: number): number {
  const value = json[key];
  return typeof value === "number" ? value : otherwise;
}

/** A map of strings; entries that are not strings are left out. */
export function stringsAt(json: JsonObject, key: string): { readonly [key: string]: string } {
  const strings: { [key: string]: string } = {};
  for (const [name, value] of Object.entries(objectAt(json, key))) {
    if (typeof value === "string") strings[name] = value;
  }
  return strings;
}
