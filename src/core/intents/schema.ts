import type { Json } from "../kernel/json.ts";

/**
 * The shape of a kind, written once: validation, defaults, merge keys, paths and OpenAPI are all read
 * from it. The vocabulary is that of Kubernetes' structural schemas and its `x-kubernetes-*` extensions
 * (kubernetes.io/docs/reference/using-api/server-side-apply, "Merge strategy").
 */
export type Schema =
  | ObjectSchema
  | MapSchema
  | ListMapSchema
  | SetSchema
  | ListSchema
  | TextSchema
  | IntSchema
  | BoolSchema
  | IntOrTextSchema
  | QuantitySchema
  | AnySchema;

type Common = {
  readonly description: string;
  /** Must be there once all configurations are merged. */
  readonly required?: true;
  /** What Kubernetes assumes when the field is missing; only for reading, never stored. */
  readonly default?: Json;
};

/** Fixed fields. */
export type ObjectSchema = Common & {
  readonly type: "object";
  readonly fields: { readonly [name: string]: Schema };
  /** One leaf: written and won as a whole (`x-kubernetes-map-type: atomic`). */
  readonly atomic?: true;
  /** At most one of these fields may be there; exactly one when `oneRequired`. */
  readonly oneOf?: readonly string[];
  readonly oneRequired?: true;
  /** Fields of Kubernetes that exist but are refused here, so that the message can say so. */
  readonly unsupported?: readonly string[];
};

/** Free keys, all values of one shape. */
export type MapSchema = Common & {
  readonly type: "map";
  readonly values: Schema;
  readonly keys: TextRule;
  readonly atomic?: true;
};

/** A list whose items are told apart by the values of `keys` (`x-kubernetes-list-type: map`). */
export type ListMapSchema = Common & {
  readonly type: "list-map";
  readonly keys: readonly [string, ...string[]];
  readonly item: ObjectSchema;
};

/** A list of scalars in which each value counts once (`x-kubernetes-list-type: set`). */
export type SetSchema = Common & { readonly type: "set"; readonly item: Schema };

/** A list that is one leaf (`x-kubernetes-list-type: atomic`). */
export type ListSchema = Common & {
  readonly type: "list";
  readonly item: Schema;
  readonly lengthMax?: number;
};

export type TextSchema = Common & { readonly type: "text" } & TextRule;
export type IntSchema = Common & { readonly type: "int"; readonly min: number; readonly max: number };
export type BoolSchema = Common & { readonly type: "bool" };

/** A number, or a text such as `25%` or a port's name. */
export type IntOrTextSchema = Common & {
  readonly type: "int-or-text";
  readonly min: number;
  readonly max: number;
} & TextRule;

/** A Kubernetes quantity: `500m`, `1.5Gi`, `2`. */
export type QuantitySchema = Common & { readonly type: "quantity" };

/** Any JSON, kept as one leaf. */
export type AnySchema = Common & { readonly type: "any" };

export type TextRule = {
  /** `says` completes the sentence "must be ...". */
  readonly pattern?: { readonly test: RegExp; readonly says: string };
  readonly choices?: readonly string[];
  readonly lengthMin?: number;
  readonly lengthMax?: number;
};

type Extra<S extends Schema> = Partial<Omit<S, "type" | "description">>;

export const object = (
  description: string,
  fields: ObjectSchema["fields"],
  extra: Extra<ObjectSchema> = {},
): ObjectSchema => ({ ...extra, type: "object", description, fields });

export const map = (description: string, values: Schema, extra: Extra<MapSchema> = {}): MapSchema => ({
  keys: {},
  ...extra,
  type: "map",
  description,
  values,
});

export const listMap = (
  description: string,
  keys: ListMapSchema["keys"],
  item: ObjectSchema,
  extra: Extra<ListMapSchema> = {},
): ListMapSchema => ({ ...extra, type: "list-map", description, keys, item });

export const setOf = (description: string, item: Schema, extra: Extra<SetSchema> = {}): SetSchema => ({
  ...extra,
  type: "set",
  description,
  item,
});

export const list = (description: string, item: Schema, extra: Extra<ListSchema> = {}): ListSchema => ({
  ...extra,
  type: "list",
  description,
  item,
});

export const text = (description: string, extra: Extra<TextSchema> = {}): TextSchema => ({
  ...extra,
  type: "text",
  description,
});

export const int = (
  description: string,
  min: number,
  max: number,
  extra: Extra<IntSchema> = {},
): IntSchema => ({ ...extra, type: "int", description, min, max });

export const bool = (description: string, extra: Extra<BoolSchema> = {}): BoolSchema => ({
  ...extra,
  type: "bool",
  description,
});

export const intOrText = (
  description: string,
  min: number,
  max: number,
  extra: Extra<IntOrTextSchema> = {},
): IntOrTextSchema => ({ ...extra, type: "int-or-text", description, min, max });

export const quantity = (description: string, extra: Extra<QuantitySchema> = {}): QuantitySchema => ({
  ...extra,
  type: "quantity",
  description,
});

export const any = (description: string, extra: Extra<AnySchema> = {}): AnySchema => ({
  ...extra,
  type: "any",
  description,
});

export const int32Max = 2_147_483_647;

/** Whether values of this shape are written and won as a whole. */
export function isAtomic(schema: Schema): boolean {
  switch (schema.type) {
    case "object":
    case "map":
      return schema.atomic === true;
    case "list-map":
    case "set":
      return false;
    default:
      return true;
  }
}
