import type { JsonObject } from "../core/kernel/json.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import { matches, selectorOfLabels } from "../core/intents/selector.ts";
import type { NodeView, PodView } from "../core/node/contract.ts";
import { objectKey, type ObjectRef } from "../core/records/keys.ts";
import { child, condition, strings } from "./values.ts";

/**
 * PodDisruptionBudgets, as this view has them. What is out of view counts neither as there nor as wanted: an
 * island goes on with its own part.
 */
export type Budget = {
  readonly name: string;
  readonly expected: number;
  readonly healthy: number;
  readonly desired: number;
  readonly allowed: number;
  readonly unhealthyMayGo: boolean;
};

/** The budgets that a pod is under, by name. */
const budgetsOf = (pod: PodView, view: NodeView): readonly Budget[] =>
  view
    .objects("policy", "PodDisruptionBudget")
    .filter((object) => object.ref.namespace === pod.body.namespace && covers(object, pod))
    .map((object) => budgetOf(object, view));

export function budgetOf(object: MergedObject, view: NodeView): Budget {
  const spec = child(object.value, "spec");
  const { minAvailable, maxUnavailable } = spec;
  const pods = view
    .pods()
    .filter((pod) => pod.body.namespace === object.ref.namespace && covers(object, pod));
  const healthy = pods.filter(isHealthy).length;
  const expected = slotsInView(pods, view);
  const share = (value: typeof minAvailable): number =>
    typeof value === "number"
      ? value
      : Math.ceil((expected * Number.parseInt(typeof value === "string" ? value : "0", 10)) / 100);
  const desired =
    maxUnavailable === undefined ? share(minAvailable) : Math.max(0, expected - share(maxUnavailable));
  return {
    name: object.ref.name,
    expected,
    healthy,
    desired,
    allowed: Math.max(0, healthy - desired),
    unhealthyMayGo: spec["unhealthyPodEvictionPolicy"] === "AlwaysAllow",
  };
}

/** Why a budget keeps the pod where it is; undefined when none does. */
export function keptBy(pod: PodView, view: NodeView): Budget | undefined {
  return budgetsOf(pod, view).find(({ allowed, healthy, desired, unhealthyMayGo }) =>
    isHealthy(pod) ? allowed < 1 : !unhealthyMayGo && healthy < desired,
  );
}

export function budgetStatus(object: MergedObject, view: NodeView): JsonObject {
  const { expected, healthy, desired, allowed } = budgetOf(object, view);
  const reason = allowed > 0 ? "SufficientPods" : "InsufficientPods";
  return {
    observedGeneration: 1,
    expectedPods: expected,
    currentHealthy: healthy,
    desiredHealthy: desired,
    disruptionsAllowed: allowed,
    conditions: [
      condition("DisruptionAllowed", allowed > 0 ? "True" : "False", reason, "", object.createdAt),
    ],
  };
}

/** Ready, and to stay. */
const isHealthy = ({ current, body }: PodView): boolean =>
  current && body.ready && body.phase === "Running" && body.yields !== true;

/** All slots of their workloads, but those that only nodes out of view fill. */
function slotsInView(pods: readonly PodView[], view: NodeView): number {
  const workloads = new Map<string, ObjectRef>();
  for (const { body } of pods) workloads.set(objectKey(body.workload), body.workload);
  let expected = 0;
  for (const [key, ref] of workloads) {
    const own = pods.filter(({ body }) => objectKey(body.workload) === key);
    const inView = new Set(own.filter(({ current }) => current).map(({ body }) => body.slot));
    const unseen = new Set(own.map(({ body }) => body.slot).filter((slot) => !inView.has(slot)));
    const wanted = view.placement().standing(ref, view.clocks())?.wanted ?? inView.size + unseen.size;
    expected += Math.max(0, wanted - unseen.size);
  }
  return expected;
}

function covers(object: MergedObject, { body }: PodView): boolean {
  const labels = strings(child(child(child(object.value, "spec"), "selector"), "matchLabels"));
  return Object.keys(labels).length > 0 && matches(selectorOfLabels(labels), body.labels);
}
