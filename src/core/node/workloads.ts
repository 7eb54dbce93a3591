import { canonical, isList, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { shortName } from "../kernel/hash.ts";
import type { MergedObject } from "../intents/contract.ts";
import { kindOf } from "../intents/kinds/index.ts";
import { cpuMilli as cpuMilliOf, memoryBytes as memoryBytesOf, parseDuration } from "../intents/quantity.ts";
import { parseSiteSelector } from "../intents/site-selector.ts";
import { withDefaults } from "../intents/validate.ts";
import type { PartitionPolicy, Toleration, Workload, WorkloadSpread } from "../placement/contract.ts";
import type { NodeConfig } from "./contract.ts";
import type { Index } from "./records-index.ts";
import { kindKey } from "./records-index.ts";

/** Deployments, DaemonSets and StatefulSets, as placement wants them. */

const workloadKinds = [
  { group: "apps", kind: "Deployment" },
  { group: "apps", kind: "DaemonSet" },
  { group: "apps", kind: "StatefulSet" },
] as const;

/** A workload together with the defaulted object and its pod template. */
export type PlacedWorkload = {
  readonly workload: Workload;
  readonly object: MergedObject;
  readonly template: JsonObject;
};

const translated = new WeakMap<MergedObject, PlacedWorkload>();

/** Every workload that exists, sorted by key. */
export function workloadsOf(index: Index, config: NodeConfig): PlacedWorkload[] {
  const found: PlacedWorkload[] = [];
  for (const { group, kind } of workloadKinds) {
    const keys = [...(index.keysByKind.get(kindKey(group, kind)) ?? [])].sort();
    for (const key of keys) {
      const object = index.objectByKey.get(key);
      if (object === undefined || !object.exists) continue;
      const known = translated.get(object) ?? translate(object, config);
      if (known === undefined) continue;
      translated.set(object, known);
      found.push(known);
    }
  }
  return found;
}

/** The name of a pod template's content: two templates that run the same have the same revision. */
export const revisionOf = (template: JsonObject): string => shortName(canonical(template), 10);

/** What all containers of a pod template reserve together. */
export function requestsOf(template: JsonObject): { cpuMilli: number; memoryBytes: number } {
  let cpuMilli = 0;
  let memoryBytes = 0;
  for (const container of listAt(objectAt(template, "spec"), "containers")) {
    if (!isObject(container)) continue;
    const requests = objectAt(objectAt(container, "resources"), "requests");
    cpuMilli += cpuMilliOf(requests["cpu"]) ?? 0;
    memoryBytes += memoryBytesOf(requests["memory"]) ?? 0;
  }
  return { cpuMilli, memoryBytes };
}

function translate(object: MergedObject, config: NodeConfig): PlacedWorkload | undefined {
  const kind = kindOf(object.ref.group, object.ref.kind);
  if (kind === undefined) return undefined;
  const value = withDefaults(kind, object.value);
  const spec = objectAt(value, "spec");
  const template = objectAt(spec, "template");
  const podSpec = objectAt(template, "spec");
  const annotations = stringsAt(objectAt(value, "metadata"), "annotations");
  const replicas = numberAt(spec, "replicas", 1);
  const workload: Workload = {
    ref: object.ref,
    uid: object.uid,
    spread: spreadOf(object.ref.kind, annotations, replicas),
    revision: revisionOf(template),
    nodeSelector: stringsAt(podSpec, "nodeSelector"),
    tolerations: listAt(podSpec, "tolerations").flatMap(tolerationOf),
    requests: requestsOf(template),
    runtime: textAt(podSpec, "runtimeClassName") ?? "container",
    policy: policyOf(object.ref.kind, annotations, config),
    // A StatefulSet's pace is its order: see ordinals.ts.
    updatesAtOnce: object.ref.kind === "StatefulSet" ? Math.max(1, replicas) : updatesAtOnce(spec, replicas),
  };
  return { workload, object, template };
}

function spreadOf(
  kind: string,
  annotations: { readonly [key: string]: string },
  replicas: number,
): WorkloadSpread {
  if (kind === "DaemonSet") return { type: "per-node" };
  if (annotations["starlight.dev/placement"] !== "perSite") return { type: "mesh", replicas };
  const sites = parseSiteSelector(annotations["starlight.dev/sites"] ?? "");
  return { type: "per-site", replicas, sites: sites.ok ? sites.value : {} };
}

function policyOf(
  kind: string,
  annotations: { readonly [key: string]: string },
  config: NodeConfig,
): PartitionPolicy {
  const otherwise = kind === "StatefulSet" ? "majority" : "duplicate";
  const asked = annotations["starlight.dev/on-partition"];
  const onPartition = asked === "freeze" || asked === "majority" || asked === "duplicate" ? asked : otherwise;
  if (onPartition === "majority") {
    // The copy under the newer lease is the one that runs; what is still said of an older one is out of date.
    const lostAfter = parseDuration(annotations["starlight.dev/lost-after"] ?? "") ?? config.lostAfter;
    return { onPartition, lostAfter, onHeal: "keepReplacement" };
  }
  return {
    onPartition,
    lostAfter: parseDuration(annotations["starlight.dev/lost-after"] ?? "") ?? config.lostAfter,
    onHeal: annotations["starlight.dev/on-heal"] === "keepReplacement" ? "keepReplacement" : "keepOriginal",
  };
}

/** Kubernetes' `maxSurge`, and at least one: a copy is replaced by starting the new one first. */
function updatesAtOnce(spec: JsonObject, replicas: number): number {
  const surge = objectAt(objectAt(spec, "strategy"), "rollingUpdate")["maxSurge"] ?? "25%";
  if (typeof surge === "number") return Math.max(1, surge);
  const percent = Number.parseInt(typeof surge === "string" ? surge : "25", 10);
  return Math.max(1, Math.ceil((replicas * percent) / 100));
}

function tolerationOf(json: Json): Toleration[] {
  if (!isObject(json)) return [];
  return [
    {
      key: textAt(json, "key"),
      operator: json["operator"] === "Exists" ? "Exists" : "Equal",
      value: textAt(json, "value"),
      effect: textAt(json, "effect"),
    },
  ];
}

export function objectAt(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  return isObject(value) ? value : {};
}

export function listAt(json: JsonObject, key: string): readonly Json[] {
  const value = json[key];
  return isList(value) ? value : [];
}

export function textAt(json: JsonObject, key: string): string | undefined {
  const value = json[key];
  return typeof value === "string" ? value : undefined;
}

export function numberAt(json: JsonObject, key: string, otherwise: number): number {
  const value = json[key];
  return typeof value === "number" ? value : otherwise;
}

/** A map of strings; entries that are not strings are left out. */
export function stringsAt(json: JsonObject, key: string): { readonly [key: string]: string } {
  const strings: { [key: string]: string } = {};
  for (const [name, value] of Object.entries(objectAt(json, key))) {
    if (typeof value === "string") strings[name] = value;
  }
  return strings;
}
