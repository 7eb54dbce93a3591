import { isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { quantityIn } from "../intents/quantity.ts";
import { selectorOf } from "../intents/selector.ts";
import { parseVariants, variantsAnnotation, withVariant, type VariantSpec } from "../intents/variants.ts";
import {
  noConstraints,
  type Constraints,
  type LabelRule,
  type PodTerm,
  type Requests,
  type Variant,
} from "../placement/contract.ts";
import { kindKey, type Index } from "./records-index.ts";
import { listAt, numberAt, objectAt, stringsAt, textAt } from "./json-at.ts";

/** What a pod template says about its place: resources, ladder, affinity, spread, priority. */

/** What all containers reserve together. A limit without a request is its request, as in Kubernetes. */
export function requestsOf(template: JsonObject): Requests {
  const sums = new Map<string, number>();
  for (const container of objectsAt(objectAt(template, "spec"), "containers")) {
    const resources = objectAt(container, "resources");
    const amounts = { ...objectAt(resources, "limits"), ...objectAt(resources, "requests") };
    for (const [name, amount] of Object.entries(amounts)) {
      const units = quantityIn(amount, name === "cpu" ? "milli" : "one") ?? 0;
      sums.set(name, (sums.get(name) ?? 0) + Math.max(0, units));
    }
  }
  const extended: { [resource: string]: number } = {};
  for (const name of [...sums.keys()].sort()) if (name.includes("/")) extended[name] = sums.get(name) ?? 0;
  const ephemeralBytes = sums.get("ephemeral-storage");
  return {
    cpuMilli: sums.get("cpu") ?? 0,
    memoryBytes: sums.get("memory") ?? 0,
    ...(ephemeralBytes === undefined ? {} : { ephemeralBytes }),
    ...(Object.keys(extended).length === 0 ? {} : { extended }),
  };
}

export function ladderOf(template: JsonObject): readonly Variant[] {
  return variantsOf(template).map((variant) => ({
    name: variant.name,
    minTier: variant.minTier,
    requests: requestsOf(withVariant(template, variant)),
  }));
}

/** The template as the named variant runs it. */
export function templateOf(template: JsonObject, variant: string | undefined): JsonObject {
  const spec = variantsOf(template).find(({ name }) => name === variant);
  return spec === undefined ? template : withVariant(template, spec);
}

function variantsOf(template: JsonObject): readonly VariantSpec[] {
  const text = stringsAt(objectAt(template, "metadata"), "annotations")[variantsAnnotation];
  const parsed = text === undefined ? undefined : parseVariants(text);
  return parsed?.ok === true ? parsed.value : [];
}

const builtIn: { readonly [name: string]: number } = {
  "system-node-critical": 2_000_001_000,
  "system-cluster-critical": 2_000_000_000,
};

/** The priority of the class that the template names, or of the default class, as they are in view. */
export function priorityOf(
  template: JsonObject,
  index: Index,
): { readonly priority: number; readonly preempts: boolean } {
  const name = textAt(objectAt(template, "spec"), "priorityClassName");
  const known = name === undefined ? undefined : builtIn[name];
  if (known !== undefined) return { priority: known, preempts: true };
  const classes = [...(index.keysByKind.get(kindKey("scheduling.k8s.io", "PriorityClass")) ?? [])]
    .flatMap((key) => index.objectByKey.get(key) ?? [])
    .filter(({ exists, ref, value }) =>
      exists && name === undefined ? value["globalDefault"] === true : exists && ref.name === name,
    )
    .map(({ value }) => ({
      priority: numberAt(value, "value", 0),
      preempts: value["preemptionPolicy"] !== "Never",
    }))
    .sort((left, right) => left.priority - right.priority || Number(left.preempts) - Number(right.preempts));
  return classes[0] ?? { priority: 0, preempts: true };
}

export function constraintsOf(podSpec: JsonObject, namespace: string): Constraints {
  const affinity = objectAt(podSpec, "affinity");
  const [node, near, away] = [
    objectAt(affinity, "nodeAffinity"),
    objectAt(affinity, "podAffinity"),
    objectAt(affinity, "podAntiAffinity"),
  ];
  const constraints: Constraints = {
    nodeRequired: objectsAt(objectAt(node, required), "nodeSelectorTerms")
      .map(rulesOf)
      // As in Kubernetes a term without conditions matches no node.
      .map((rules) => (rules.length > 0 ? rules : nobody)),
    nodePreferred: objectsAt(node, preferred).map((entry) => ({
      weight: numberAt(entry, "weight", 1),
      rules: rulesOf(objectAt(entry, "preference")),
    })),
    podRequired: objectsAt(near, required).map((term) => podTermOf(term, namespace)),
    podPreferred: objectsAt(near, preferred).map((entry) => weightedTermOf(entry, namespace)),
    podForbidden: objectsAt(away, required).map((term) => podTermOf(term, namespace)),
    podAvoided: objectsAt(away, preferred).map((entry) => weightedTermOf(entry, namespace)),
    spreads: objectsAt(podSpec, "topologySpreadConstraints").map((entry) => ({
      maxSkew: numberAt(entry, "maxSkew", 1),
      topologyKey: textAt(entry, "topologyKey") ?? "",
      hard: entry["whenUnsatisfiable"] !== "ScheduleAnyway",
      selector: labelRules(entry["labelSelector"]),
    })),
  };
  const some = Object.values(constraints).some((rules: readonly unknown[]) => rules.length > 0);
  return some ? constraints : noConstraints;
}

const required = "requiredDuringSchedulingIgnoredDuringExecution";
const preferred = "preferredDuringSchedulingIgnoredDuringExecution";
/** Holds nowhere: a selector that is missing selects no pods. */
const nobody: readonly LabelRule[] = [{ key: "", operator: "In", values: [] }];

function podTermOf(term: JsonObject, namespace: string): PodTerm {
  const namespaces = listAt(term, "namespaces").filter((name) => typeof name === "string");
  return {
    selector: labelRules(term["labelSelector"]),
    namespaces: namespaces.length === 0 ? [namespace] : namespaces,
    topologyKey: textAt(term, "topologyKey") ?? "",
  };
}

const weightedTermOf = (entry: JsonObject, namespace: string): PodTerm & { readonly weight: number } => ({
  ...podTermOf(objectAt(entry, "podAffinityTerm"), namespace),
  weight: numberAt(entry, "weight", 1),
});

const labelRules = (selector: Json | undefined): readonly LabelRule[] => selectorOf(selector) ?? nobody;

const rulesOf = (term: JsonObject): readonly LabelRule[] =>
  objectsAt(term, "matchExpressions").flatMap((rule) => {
    const operator = operators.find((known) => known === rule["operator"]);
    const values = listAt(rule, "values").map(String);
    return operator === undefined ? [] : [{ key: textAt(rule, "key") ?? "", operator, values }];
  });

const operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] as const;

const objectsAt = (json: JsonObject, key: string): readonly JsonObject[] =>
  listAt(json, key).filter(isObject);
