import type { JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import type { ObjectSchema } from "../schema.ts";

/** A kind of object that people may write, in Kubernetes' terms. */
export type Kind = {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly schema: ObjectSchema;
  /** Paths below which nothing changes in one life of an object. */
  readonly immutable?: readonly string[];
  /** What no schema can say: rules between fields, on the whole object. */
  readonly check: (value: JsonObject) => readonly FieldProblem[];
};

export const apiVersionOf = ({ group, version }: Pick<Kind, "group" | "version">): string =>
  group === "" ? version : `${group}/${version}`;
