import type { Json, JsonObject } from "../kernel/json.ts";
import type { ObjectRef } from "../records/keys.ts";
import { deployment, put } from "./testbed.ts";

/** What the tables of Kubernetes' documented examples are made of: see kubernetes-examples.test.ts. */

export type Step = {
  readonly by: string;
  /** Server-side apply of this configuration. */
  readonly apply?: JsonObject;
  /** Replaces the whole object (PUT). */
  readonly update?: JsonObject;
  /** Strategic merge patch. */
  readonly patch?: JsonObject;
  readonly force?: true;
  /** The start of the message of the refusal; without it the step succeeds. */
  readonly refused?: string;
};

export type Example = {
  readonly doc: string;
  readonly says: string;
  readonly ref?: ObjectRef;
  readonly steps: readonly Step[];
  /** Path (`/` between names) -> what is there in the end; null where nothing is. */
  readonly shows?: { readonly [path: string]: Json };
  /** Manager, operation and its `fieldsV1`, for every manager that owns something. */
  readonly owns?: { readonly [manager: string]: JsonObject };
};

export const pod = "spec/template/spec";
export const serviceRef: ObjectRef = { group: "", kind: "Service", namespace: "default", name: "web" };
export const nodeRef: ObjectRef = { group: "", kind: "Node", namespace: "", name: "web" };

export const testCm = (data: JsonObject, labels?: JsonObject): JsonObject => ({
  metadata: labels === undefined ? {} : { labels },
  data,
});
export const label = { "test-label": "test" };
export const ownsLabel = { "f:metadata": { "f:labels": { "f:test-label": {} } } };
export const ownsKey = { "f:data": { "f:key": {} } };
export const replicas = (count: number): JsonObject => ({ spec: { replicas: count } });
export const withReplicas = (count: number): JsonObject => put(deployment(), "spec/replicas", count);
export const podOf = (spec: JsonObject): JsonObject => ({ spec: { template: { spec } } });
export const named = (...names: readonly string[]): JsonObject[] =>
  names.map((name) => ({ name, image: `${name}:1` }));
