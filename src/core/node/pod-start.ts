import { isObject, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { objectKey } from "../records/keys.ts";
import type { NodeIdentity, PodStart } from "./contract.ts";
import type { Index } from "./records-index.ts";
import { listAt, objectAt, stringsAt, textAt } from "./json-at.ts";

/** Who the pod is, before anything of it runs. */
export type PodName = {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: { readonly [label: string]: string };
};

export const completionIndexLabel = "batch.kubernetes.io/job-completion-index";

type Strings = { readonly [key: string]: string };
/** Something the pod refers to is not there (yet): Kubernetes' CreateContainerConfigError. */
type Missing = { readonly missing: string };

/** Resolves a pod template against the objects in view: what the runtime gets has no look-ups left. */
export function podStartOf(
  template: JsonObject,
  pod: PodName,
  identity: NodeIdentity,
  hostAddress: string,
  index: Index,
): Result<PodStart, Missing> {
  const spec = objectAt(template, "spec");
  const annotations = stringsAt(objectAt(template, "metadata"), "annotations");
  const lookup = { index, namespace: pod.namespace };
  const fieldValues = fieldsOf(pod, annotations, identity, hostAddress, spec);
  const files: { [volume: string]: Strings } = {};
  for (const volume of listAt(spec, "volumes")) {
    if (!isObject(volume) || !isObject(volume["configMap"])) continue;
    const content = filesOf(volume["configMap"], lookup);
    if (!content.ok) return content;
    files[textAt(volume, "name") ?? ""] = content.value;
  }
  const env: { [container: string]: Strings } = {};
  for (const container of listAt(spec, "containers")) {
    if (!isObject(container)) continue;
    const variables = variablesOf(container, fieldValues, lookup);
    if (!variables.ok) return variables;
    const index = pod.labels[completionIndexLabel];
    const own: Strings = index === undefined ? {} : { JOB_COMPLETION_INDEX: index };
    env[textAt(container, "name") ?? ""] = { ...own, ...variables.value };
  }
  return ok({ ...pod, spec, files, env });
}

type Lookup = { readonly index: Index; readonly namespace: string };

function filesOf(source: JsonObject, lookup: Lookup): Result<Strings, Missing> {
  const name = textAt(source, "name") ?? "";
  const data = configMap(name, lookup);
  if (data === undefined) return source["optional"] === true ? ok({}) : noConfigMap(name);
  const items = listAt(source, "items");
  if (items.length === 0) return ok(data);
  const files: { [file: string]: string } = {};
  for (const item of items) {
    if (!isObject(item)) continue;
    const key = textAt(item, "key") ?? "";
    const content = data[key];
    if (content === undefined) return err({ missing: `key ${key} in ConfigMap ${name}` });
    files[textAt(item, "path") ?? key] = content;
  }
  return ok(files);
}

function variablesOf(container: JsonObject, fieldValues: Strings, lookup: Lookup): Result<Strings, Missing> {
  const variables: { [name: string]: string } = {};
  for (const source of listAt(container, "envFrom")) {
    if (!isObject(source)) continue;
    const reference = objectAt(source, "configMapRef");
    const name = textAt(reference, "name") ?? "";
    const data = configMap(name, lookup);
    if (data === undefined && reference["optional"] !== true) return noConfigMap(name);
    const prefix = textAt(source, "prefix") ?? "";
    for (const [key, value] of Object.entries(data ?? {})) variables[prefix + key] = value;
  }
  for (const entry of listAt(container, "env")) {
    if (!isObject(entry)) continue;
    const value = valueOf(entry, fieldValues, lookup);
    if (!value.ok) return value;
    if (value.value !== undefined) variables[textAt(entry, "name") ?? ""] = value.value;
  }
  return ok(variables);
}

function valueOf(
  entry: JsonObject,
  fieldValues: Strings,
  lookup: Lookup,
): Result<string | undefined, Missing> {
  const from = objectAt(entry, "valueFrom");
  const path = textAt(objectAt(from, "fieldRef"), "fieldPath");
  if (path !== undefined) return ok(fieldValues[path] ?? "");
  const reference = from["configMapKeyRef"];
  if (!isObject(reference)) return ok(textAt(entry, "value") ?? "");
  const name = textAt(reference, "name") ?? "";
  const key = textAt(reference, "key") ?? "";
  const value = configMap(name, lookup)?.[key];
  if (value !== undefined || reference["optional"] === true) return ok(value);
  return err({ missing: `key ${key} in ConfigMap ${name}` });
}

/** The downward API: what `fieldRef.fieldPath` may name. */
function fieldsOf(
  pod: PodName,
  annotations: Strings,
  identity: NodeIdentity,
  hostAddress: string,
  spec: JsonObject,
): Strings {
  const values: { [path: string]: string } = {
    "metadata.name": pod.name,
    "metadata.namespace": pod.namespace,
    "metadata.uid": pod.uid,
    "spec.nodeName": identity.name,
    "spec.serviceAccountName": textAt(spec, "serviceAccountName") ?? "default",
    "status.hostIP": hostAddress,
    "status.podIP": hostAddress,
  };
  for (const [key, value] of Object.entries(pod.labels)) values[`metadata.labels['${key}']`] = value;
  for (const [key, value] of Object.entries(annotations)) values[`metadata.annotations['${key}']`] = value;
  return values;
}

function configMap(name: string, { index, namespace }: Lookup): Strings | undefined {
  const object = index.objectByKey.get(objectKey({ group: "", kind: "ConfigMap", namespace, name }));
  return object?.exists === true ? stringsAt(object.value, "data") : undefined;
}

function noConfigMap(name: string): Result<never, Missing> {
  return err({ missing: `ConfigMap ${name}` });
}
