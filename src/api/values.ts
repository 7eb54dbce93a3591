import { isObject, type Json, type JsonObject } from "../core/kernel/json.ts";

/** Small things that presented objects are made of. */

export const timeOf = (wallMs: number): string => new Date(wallMs).toISOString().replace(/\.\d+Z$/, "Z");

/**
 * @param at When it became what it is.
 * @param heardAt When that was last heard.
 */
export function condition(
  type: string,
  status: string,
  reason: string,
  message: string,
  at: number,
  heardAt = at,
): JsonObject {
  const time = timeOf(at);
  return {
    type,
    status,
    reason,
    message,
    lastTransitionTime: time,
    lastHeartbeatTime: timeOf(heardAt),
    lastUpdateTime: time,
  };
}

export function child(value: JsonObject, name: string): JsonObject {
  const below = value[name];
  return isObject(below) ? below : {};
}

export function strings(value: JsonObject): { [name: string]: string } {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]) => (typeof entry === "string" ? [[key, entry]] : [])),
  );
}

export const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

/** The first five, and how many more there are. */
export const few = (items: readonly string[], between = ", "): string =>
  items.length <= 5 ? items.join(between) : `${items.slice(0, 5).join(between)} and ${items.length - 5} more`;
