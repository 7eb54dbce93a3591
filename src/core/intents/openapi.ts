import type { Json, JsonObject } from "../kernel/json.ts";
import type { Kind } from "./kinds/kind.ts";
import type { Schema } from "./schema.ts";

/** A kind as an OpenAPI v3 schema with Kubernetes' extensions: what `kubectl explain` and `apply` read. */
export function openApiOf(kind: Kind): JsonObject {
  const { group, version } = kind;
  const schema = schemaOf(kind.schema) as { properties?: JsonObject };
  return {
    ...schema,
    properties: { apiVersion: { type: "string" }, kind: { type: "string" }, ...schema.properties },
    "x-kubernetes-group-version-kind": [{ group, version, kind: kind.kind }],
  };
}

export function schemaOf(schema: Schema): JsonObject {
  const about = {
    description: schema.description,
    ...(schema.default === undefined ? {} : { default: schema.default }),
  };
  switch (schema.type) {
    case "object": {
      const properties: { [name: string]: Json } = {};
      const required: string[] = [];
      for (const [name, field] of Object.entries(schema.fields)) {
        properties[name] = schemaOf(field);
        if (field.required === true) required.push(name);
      }
      return { ...about, type: "object", properties, ...(required.length > 0 ? { required } : {}) };
    }
    case "map":
      return { ...about, type: "object", additionalProperties: schemaOf(schema.values) };
    case "list-map":
      return {
        ...about,
        type: "array",
        items: schemaOf(schema.item),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": schema.keys,
        "x-kubernetes-patch-merge-key": schema.keys[0],
        "x-kubernetes-patch-strategy": "merge",
      };
    case "set":
      return { ...about, type: "array", items: schemaOf(schema.item), "x-kubernetes-list-type": "set" };
    case "list":
      return { ...about, type: "array", items: schemaOf(schema.item), "x-kubernetes-list-type": "atomic" };
    case "text":
      return { ...about, type: "string", ...(schema.choices === undefined ? {} : { enum: schema.choices }) };
    case "int":
      return { ...about, type: "integer", minimum: schema.min, maximum: schema.max };
    case "bool":
      return { ...about, type: "boolean" };
    case "int-or-text":
      return {
        ...about,
        oneOf: [{ type: "integer" }, { type: "string" }],
        "x-kubernetes-int-or-string": true,
      };
    case "quantity":
      return { ...about, oneOf: [{ type: "string" }, { type: "number" }] };
    case "any":
      return { ...about, "x-kubernetes-preserve-unknown-fields": true };
  }
}
