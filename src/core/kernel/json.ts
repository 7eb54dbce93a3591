import { textOf, utf8 } from "./bytes.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** JSON with sorted keys and no spaces: equal values give equal text, on every machine. */
export function canonical(value: Json): string {
  if (isList(value)) return `[${value.map(canonical).join(",")}]`;
  if (isObject(value)) {
    const fields = Object.keys(value).sort();
    return `{${fields.map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Json)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

export function equalJson(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  return canonical(left) === canonical(right);
}

export const jsonBytes = (value: Json): Uint8Array => utf8(canonical(value));

/** The JSON value in UTF-8 bytes; undefined when they hold none, or nest deeper than `depthMax`. */
export function parseJson(bytes: Uint8Array, depthMax = 64): Json | undefined {
  const text = textOf(bytes);
  if (text === undefined || nestsDeeper(text, depthMax)) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Counts brackets outside of strings, so that hostile nesting is refused before it costs a stack. */
function nestsDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (quoted) {
      if (unit === 0x5c) at++;
      else if (unit === 0x22) quoted = false;
    } else if (unit === 0x22) quoted = true;
    else if (unit === 0x7b || unit === 0x5b) {
      if (++depth > depthMax) return true;
    } else if (unit === 0x7d || unit === 0x5d) depth--;
  }
  return false;
}
