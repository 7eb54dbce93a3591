import type { Json, JsonObject } from "../kernel/json.ts";
import { apiVersionOf, type Kind } from "./kinds/kind.ts";
import { serverMetadata } from "./kinds/metadata.ts";
import type { Schema, TextRule } from "./schema.ts";

/**
 * A kind as an OpenAPI v3 schema with Kubernetes' extensions: what `kubectl explain` prints, and what
 * `kubectl apply` reads the merge keys from.
 * (kubernetes.io/docs/reference/using-api/server-side-apply, "Merge strategy")
 */
export function openApiSchema(kind: Kind): JsonObject {
  const { group, version } = kind;
  const { properties, required, ...rest } = openApi(kind.schema) as { readonly [name: string]: JsonObject };
  const metadata = properties?.["metadata"] as { readonly properties?: JsonObject } | undefined;
  return {
    ...rest,
    ...(required === undefined ? {} : { required }),
    properties: {
      apiVersion: { type: "string", description: `Always ${apiVersionOf(kind)}.` },
      kind: { type: "string", description: `Always ${kind.kind}.` },
      ...properties,
      metadata: {
        ...metadata,
        properties: { ...metadata?.properties, ...readOnlyMetadata() },
      },
      status: {
        type: "object",
        description: "What the mesh sees of it; not written by people.",
        readOnly: true,
        "x-kubernetes-preserve-unknown-fields": true,
      },
    },
    "x-kubernetes-group-version-kind": [{ group, kind: kind.kind, version }],
  };
}

/** One shape, and all below it. */
export function openApi(schema: Schema): JsonObject {
  const described: { [name: string]: Json } = { description: schema.description };
  if (schema.default !== undefined) described["default"] = schema.default;
  return { ...described, ...typeOf(schema) };
}

function typeOf(schema: Schema): JsonObject {
  switch (schema.type) {
    case "object": {
      const names = Object.keys(schema.fields);
      const required = names.filter((name) => schema.fields[name]?.required === true);
      return {
        type: "object",
        properties: Object.fromEntries(
          Object.entries(schema.fields).map(([name, field]) => [name, openApi(field)]),
        ),
        ...(required.length > 0 ? { required } : {}),
        ...(schema.atomic === true ? { "x-kubernetes-map-type": "atomic" } : {}),
      };
    }
    case "map":
      return {
        type: "object",
        additionalProperties: openApi(schema.values),
        ...(schema.atomic === true ? { "x-kubernetes-map-type": "atomic" } : {}),
      };
    case "list-map":
      return {
        type: "array",
        items: openApi(schema.item),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [...schema.keys],
        "x-kubernetes-patch-merge-key": schema.keys[0],
        "x-kubernetes-patch-strategy": "merge",
      };
    case "set":
      return {
        type: "array",
        items: openApi(schema.item),
        "x-kubernetes-list-type": "set",
        "x-kubernetes-patch-strategy": "merge",
      };
    case "list":
      return { type: "array", items: openApi(schema.item), "x-kubernetes-list-type": "atomic" };
    case "text":
      return { type: "string", ...textRule(schema) };
    case "int":
      return { type: "integer", format: "int32", minimum: schema.min, maximum: schema.max };
    case "bool":
      return { type: "boolean" };
    case "int-or-text":
      return { oneOf: [{ type: "integer" }, { type: "string" }], format: "int-or-string" };
    case "quantity":
      return { oneOf: [{ type: "string" }, { type: "number" }] };
    case "any":
      return { "x-kubernetes-preserve-unknown-fields": true };
  }
}

function textRule({ choices, pattern, lengthMin, lengthMax }: TextRule): JsonObject {
  return {
    ...(choices === undefined ? {} : { enum: [...choices] }),
    ...(pattern === undefined ? {} : { pattern: pattern.test.source }),
    ...(lengthMin === undefined ? {} : { minLength: lengthMin }),
    ...(lengthMax === undefined ? {} : { maxLength: lengthMax }),
  };
}

/** Accepted from clients that send back what they read, and dropped. */
function readOnlyMetadata(): JsonObject {
  const fields: { [name: string]: Json } = {};
  for (const name of [...serverMetadata].sort()) {
    fields[name] = { description: "Filled in by the server.", readOnly: true, ...readOnlyType(name) };
  }
  return fields;
}

function readOnlyType(name: string): JsonObject {
  if (name === "generation" || name === "deletionGracePeriodSeconds")
    return { type: "integer", format: "int64" };
  if (name === "managedFields" || name === "ownerReferences") {
    return { type: "array", items: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  }
  return { type: "string" };
}
