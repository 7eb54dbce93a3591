import { versionNone, wallOf, type Version } from "../kernel/hybrid-clock.ts";
import { hash53 } from "../kernel/hash.ts";
import { isList, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { objectKey, type ObjectRef } from "../records/keys.ts";
import { conflictsOf, sideOf } from "./conflicts.ts";
import type { FieldConflict, IntentEntry, MergedObject } from "./contract.ts";
import { apiVersionOf, type Kind } from "./kinds/kind.ts";
import { compareWrites, type Write } from "./life.ts";
import { managerParts } from "./manager.ts";
import { fieldOf, fieldsV1, formatPath, isBelow, unflatten, type Step } from "./path.ts";
import type { Schema } from "./schema.ts";
import { stateOf, valuesOf, type Claim, type ObjectState } from "./state.ts";

/**
 * What everybody sees of an object: the field-wise merge of its configurations, as Kubernetes'
 * server-side apply merges managers, extended to writers who could not see each other.
 *
 * - Per manager and leaf the newest write counts. Among managers the winner is the largest of
 *   (class, version, author). `release` ends its manager's claim, `remove` competes as an absent value.
 * - A deletion takes away what had not seen it, unless an edit that had not seen the deletion either is
 *   newer: then the whole object lives on. The same holds for one item of a list-map.
 *
 * Pure: any order of entries, and any grouping of their arrival, gives the same answer.
 *
 * @returns undefined when no entry holds a write.
 */
export function mergeObject(
  kind: Kind,
  ref: ObjectRef,
  entries: readonly IntentEntry[],
): MergedObject | undefined {
  const state = stateOf(kind, entries);
  return state.writes.length === 0 ? undefined : mergedOf(kind, ref, state);
}

function mergedOf(kind: Kind, ref: ObjectRef, state: ObjectState): MergedObject {
  const { first } = state.life;
  const { value, hidden } = first === undefined ? { value: {}, hidden: [] } : shownValue(kind, ref, state);
  const born = first ?? newestOf(state.writes);
  return {
    ref,
    exists: first !== undefined,
    value: withIdentity(kind, ref, value),
    uid: uidOf(ref, born),
    createdAt: wallOf(born?.version ?? versionNone),
    version: newestOf(state.writes)?.version ?? versionNone,
    managedFields: first === undefined ? [] : managedFields(kind, state),
    conflicts: [...conflictsOf(state), ...incompleteConflicts(state, hidden)],
  };
}

/** What people are shown of the object, and where parts of it are too incomplete to be. */
export type Shown = { readonly value: JsonObject; readonly hidden: readonly Hidden[] };

/** A part that is left out, and the required fields that it lacks. */
type Hidden = { readonly path: string; readonly missing: readonly string[] };

export function shownValue(kind: Kind, ref: ObjectRef, state: ObjectState): Shown {
  const hidden: Hidden[] = [];
  const value = dropIncomplete(kind.schema, rawValue(kind, ref, state), [], hidden);
  return { value: isObject(value) ? value : {}, hidden };
}

/** The merged object with all its parts, also incomplete ones: what a change is checked against. */
export function rawValue(kind: Kind, ref: ObjectRef, state: ObjectState): JsonObject {
  const written = unflatten(kind.schema, valuesOf(state));
  return withIdentity(kind, ref, isObject(written) ? written : {});
}

function withIdentity(kind: Kind, ref: ObjectRef, value: JsonObject): JsonObject {
  const metadata = isObject(value["metadata"]) ? value["metadata"] : {};
  const namespace = kind.namespaced ? { namespace: ref.namespace } : {};
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    ...value,
    metadata: { name: ref.name, ...namespace, ...metadata },
  };
}

/** Shaped like a UUID (RFC 9562, version 8): the same on every node for one life of the object. */
function uidOf(ref: ObjectRef, first: Write | undefined): string {
  const seed = `${objectKey(ref)}\0${first?.version ?? 0}\0${first?.author ?? ""}`;
  const digits = [0, 1, 2]
    .map((lane) => hash53(seed, lane).toString(16).padStart(14, "0").slice(-12))
    .join("");
  const variant = "89ab"[Number.parseInt(digits[16] ?? "0", 16) % 4];
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join("-");
}

function newestOf(writes: readonly Write[]): Write | undefined {
  let newest: Write | undefined;
  for (const write of writes) if (newest === undefined || compareWrites(write, newest) > 0) newest = write;
  return newest;
}

function managedFields(kind: Kind, state: ObjectState): readonly JsonObject[] {
  const byManager = new Map<string, { paths: string[]; version: Version }>();
  for (const { path, owners } of state.leaves.values()) {
    for (const { write } of owners) {
      const held = byManager.get(write.manager) ?? { paths: [], version: versionNone };
      held.paths.push(path);
      held.version = Math.max(held.version, write.version);
      byManager.set(write.manager, held);
    }
  }
  return [...byManager.keys()].sort().map((manager) => {
    const { paths, version } = byManager.get(manager) ?? { paths: [], version: versionNone };
    const { operation, name } = managerParts(manager);
    return {
      manager: name,
      operation,
      apiVersion: apiVersionOf(kind),
      time: rfc3339(wallOf(version)),
      fieldsType: "FieldsV1",
      fieldsV1: fieldsV1(paths),
    };
  });
}

/** To the second, as `metav1.Time` is written. */
function rfc3339(wall: number): string {
  return new Date(wall).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/**
 * Leaves out list items and optional objects whose required fields are gone: the rest of an item that
 * one side let go while the other side edited it. Each one left out is reported as a conflict.
 */
function dropIncomplete(
  schema: Schema,
  value: Json,
  steps: readonly Step[],
  hidden: Hidden[],
): Json | undefined {
  if (schema.type === "list-map" && isList(value)) {
    return value.flatMap((item) => {
      const key = Object.fromEntries(
        schema.keys.map((name) => [name, isObject(item) ? (item[name] ?? null) : null]),
      );
      const kept = dropIncomplete({ ...schema.item }, item, [...steps, { type: "item", key }], hidden);
      return kept === undefined ? [] : [kept];
    });
  }
  if ((schema.type !== "object" && schema.type !== "map") || schema.atomic === true || !isObject(value))
    return value;
  const kept: { [name: string]: Json } = {};
  for (const name of Object.keys(value)) {
    const below = fieldOf(schema, name);
    const shown =
      below && dropIncomplete(below, value[name] ?? null, [...steps, { type: "field", name }], hidden);
    if (shown !== undefined) kept[name] = shown;
  }
  if (schema.type === "map" || schema.required === true || steps.length === 0) return kept;
  const missing = Object.keys(schema.fields).filter(
    (name) => schema.fields[name]?.required === true && kept[name] === undefined,
  );
  if (missing.length === 0) return kept;
  hidden.push({
    path: formatPath(steps),
    missing: missing.map((name) => formatPath([...steps, { type: "field", name }])),
  });
  return undefined;
}

function incompleteConflicts(state: ObjectState, hidden: readonly Hidden[]): readonly FieldConflict[] {
  const conflicts: FieldConflict[] = [];
  for (const { path, missing } of hidden) {
    const within = claimsAt(state, (at) => at === path || isBelow(at, path));
    const left = within.findLast((claim) => claim.op === "set");
    const gone = claimsAt(state, (at) => missing.includes(at)).findLast((claim) => claim.op !== "set");
    if (left === undefined) continue;
    const winner = { ...sideOf(gone ?? left), value: undefined };
    conflicts.push({ path, winner, losers: [sideOf(left)], base: { type: "unknown" } });
  }
  return conflicts;
}

function claimsAt(state: ObjectState, wanted: (path: string) => boolean): readonly Claim[] {
  const claims: Claim[] = [];
  for (const leaf of state.leaves.values()) if (wanted(leaf.path)) claims.push(...leaf.claims);
  return claims.sort((left, right) => compareWrites(left.write, right.write));
}
