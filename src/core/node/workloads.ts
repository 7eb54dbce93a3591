import { canonical, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { shortName } from "../kernel/hash.ts";
import { seconds } from "../kernel/time.ts";
import type { MergedObject } from "../intents/contract.ts";
import { kindOf } from "../intents/kinds/index.ts";
import { parseDuration } from "../intents/quantity.ts";
import { parseSiteSelector } from "../intents/site-selector.ts";
import { withDefaults } from "../intents/validate.ts";
import type { PartitionPolicy, Toleration, Workload, WorkloadSpread } from "../placement/contract.ts";
import { objectKey, type ObjectRef } from "../records/keys.ts";
import type { NodeConfig } from "./contract.ts";
import { isJob } from "./job-standing.ts";
import { listAt, numberAt, objectAt, stringsAt, textAt } from "./json-at.ts";
import { constraintsOf, ladderOf, priorityOf, requestsOf } from "./placement-rules.ts";
import type { Index } from "./records-index.ts";
import { kindKey } from "./records-index.ts";

/** Deployments, DaemonSets, StatefulSets and Jobs, as placement wants them. */

const workloadKinds = [
  { group: "apps", kind: "Deployment" },
  { group: "apps", kind: "DaemonSet" },
  { group: "apps", kind: "StatefulSet" },
] as const;
const jobKind = { group: "batch", kind: "Job" } as const;

/** A workload together with the defaulted object and its pod template. */
export type PlacedWorkload = {
  readonly workload: Workload;
  readonly object: MergedObject;
  readonly template: JsonObject;
};

const translated = new WeakMap<MergedObject, PlacedWorkload>();

/** The group of a kind that has slots, a Job included; undefined for all others. */
export const groupOf = (kind: string): string | undefined =>
  [...workloadKinds, jobKind].find((known) => known.kind === kind)?.group;

/** Of jobs, see feed-jobs.ts. */
export const isWorkloadKind = (group: string, kind: string): boolean =>
  workloadKinds.some((known) => known.group === group && known.kind === kind);

/** The keys of all workloads, deleted ones included. */
export const workloadKeys = (index: Index): string[] =>
  workloadKinds.flatMap(({ group, kind }) => [...(index.keysByKind.get(kindKey(group, kind)) ?? [])]);

/** A workload as it stands; undefined when there is none, or none of it that could run. */
export function workloadOf(index: Index, config: NodeConfig, ref: ObjectRef): PlacedWorkload | undefined {
  const object = index.objectByKey.get(objectKey(ref));
  if (object === undefined || !object.exists || !isWorkloadKind(ref.group, ref.kind)) return undefined;
  return placedOf(object, index, config);
}

/**
 * An object as placement wants it, with the priority that its class has now. Without containers there is nothing
 * to run: so it is left when the template went with the write of somebody who was no member any more.
 */
export function placedOf(object: MergedObject, index: Index, config: NodeConfig): PlacedWorkload | undefined {
  const known = translated.get(object) ?? translate(object, config);
  if (known === undefined) return undefined;
  translated.set(object, known);
  const { priority, preempts } = priorityOf(known.template, index);
  const { workload } = known;
  if (workload.priority === priority && workload.preempts === preempts) return known;
  const placed = { ...known, workload: { ...workload, priority, preempts } };
  translated.set(object, placed);
  return placed;
}

export const jobRevision = "job";

/** The name of a pod template's content: two templates that run the same have the same revision. */
export const revisionOf = (template: JsonObject): string => shortName(canonical(template), 10);

function translate(object: MergedObject, config: NodeConfig): PlacedWorkload | undefined {
  const kind = kindOf(object.ref.group, object.ref.kind);
  if (kind === undefined) return undefined;
  const value = withDefaults(kind, object.value);
  const spec = objectAt(value, "spec");
  const template = objectAt(spec, "template");
  const podSpec = objectAt(template, "spec");
  if (listAt(podSpec, "containers").length === 0) return undefined;
  const annotations = stringsAt(objectAt(value, "metadata"), "annotations");
  const replicas = numberAt(spec, isJob(object.ref) ? "completions" : "replicas", 1);
  const workload: Workload = {
    ref: object.ref,
    uid: object.uid,
    spread: spreadOf(object.ref.kind, annotations, replicas),
    // What a run began with it ends with, though its CronJob may be edited meanwhile.
    revision: isJob(object.ref) ? jobRevision : revisionOf(template),
    priority: 0,
    preempts: true,
    labels: stringsAt(objectAt(template, "metadata"), "labels"),
    nodeSelector: stringsAt(podSpec, "nodeSelector"),
    constraints: constraintsOf(podSpec, object.ref.namespace),
    tolerations: listAt(podSpec, "tolerations").flatMap(tolerationOf),
    requests: requestsOf(template),
    variants: ladderOf(template),
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
  const policy = annotations["starlight.dev/on-partition"];
  const onPartition =
    policy === "freeze" || policy === "majority" || policy === "duplicate" ? policy : otherwise;
  const asked = parseDuration(annotations["starlight.dev/lost-after"] ?? "");
  const times = {
    lostAfter: asked ?? config.lostAfter,
    // Who names a time means it, whatever is known of the node.
    lostBySiteAfter: asked ?? Math.min(config.lostBySiteAfter, config.lostAfter),
  };
  // The copy under the newer lease is the one that runs; what is still said of an older one is out of date.
  if (onPartition === "majority") return { onPartition, ...times, onHeal: "keepReplacement" };
  return {
    onPartition,
    ...times,
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
      forMs: typeof json["tolerationSeconds"] === "number" ? seconds(json["tolerationSeconds"]) : undefined,
    },
  ];
}
