import { hash53 } from "../kernel/hash.ts";
import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Json, JsonObject } from "../kernel/json.ts";
import { isObject } from "../kernel/json.ts";
import type { ObjectRef } from "../records/keys.ts";
import type { IntentEntry, MergedObject } from "./contract.ts";
import type { Kind } from "./kinds/kind.ts";
import { fieldsV1, unflatten } from "./path.ts";
import { isOlder, resolve, type Resolved, type Write } from "./resolve.ts";

/** What everybody sees of an object; undefined when there is nothing to see, not even a conflict. */
export function mergeObject(
  kind: Kind,
  ref: ObjectRef,
  entries: readonly IntentEntry[],
): MergedObject | undefined {
  if (entries.length === 0) return undefined;
  const resolved = resolve(kind.schema, entries);
  const first = oldest(resolved.life) ?? oldest(resolved.all);
  if (first === undefined) return undefined;
  const newest = Math.max(
    ...(resolved.life.length > 0 ? resolved.life : resolved.all).map(({ version }) => version),
  );
  return {
    ref,
    exists: resolved.life.length > 0,
    value: valueOf(kind, ref, resolved),
    uid: uidOf(ref, first),
    createdAt: wallOf(first.version),
    version: newest,
    managedFields: managedFieldsOf(kind, resolved),
    conflicts: resolved.conflicts,
  };
}

function valueOf(kind: Kind, ref: ObjectRef, { leaves }: Resolved): JsonObject {
  const plain = new Map<string, Json>();
  for (const [path, { value }] of leaves) if (value !== undefined) plain.set(path, value);
  const written = unflatten(kind.schema, plain);
  const rest = isObject(written) ? written : {};
  const metadata = rest["metadata"];
  return {
    apiVersion: kind.group === "" ? kind.version : `${kind.group}/${kind.version}`,
    kind: kind.kind,
    ...rest,
    metadata: {
      ...(isObject(metadata) ? metadata : {}),
      name: ref.name,
      ...(kind.namespaced ? { namespace: ref.namespace } : {}),
    },
  };
}

function managedFieldsOf(kind: Kind, { owned, leaves, life }: Resolved): JsonObject[] {
  const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
  const managed: JsonObject[] = [];
  for (const manager of [...owned.keys()].sort()) {
    const paths = [...(owned.get(manager)?.keys() ?? [])].filter((path) => leaves.has(path));
    const writes = life.filter((write) => write.manager === manager);
    const newest = writes.reduce<Write | undefined>(
      (held, write) => (held === undefined || isOlder(held, write) ? write : held),
      undefined,
    );
    if (paths.length === 0 || newest === undefined) continue;
    managed.push({
      manager,
      operation: newest.applies === true ? "Apply" : "Update",
      apiVersion,
      time: new Date(wallOf(newest.version)).toISOString().replace(/\.\d+Z$/, "Z"),
      fieldsType: "FieldsV1",
      fieldsV1: fieldsV1(paths),
    });
  }
  return managed;
}

function oldest(writes: readonly Write[]): Write | undefined {
  let first: Write | undefined;
  for (const write of writes) if (first === undefined || isOlder(write, first)) first = write;
  return first;
}

/** One life of an object, as a UUID (version 8: made of what the maker chose). */
function uidOf({ group, kind, namespace, name }: ObjectRef, first: Write): string {
  const text = `${group}/${kind}/${namespace}/${name} ${first.version} ${first.author}`;
  const digits = [1, 2, 3].map((seed) => hash53(text, seed).toString(16).padStart(14, "0")).join("");
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
}
