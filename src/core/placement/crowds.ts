import { canonical } from "../kernel/json.ts";
import type { PlacePod } from "./contract.ts";
import type { Crowd, Host, PlannerState } from "./planner-state.ts";

/** Pods with the same namespace and labels, counted by host: what affinity rules look at. */
export function crowdOf(state: PlannerState, namespace: string, labels: Crowd["labels"]): Crowd {
  const key = `${namespace} ${canonicalOf(labels)}`;
  const known = state.crowdByKey.get(key);
  if (known !== undefined) return known;
  const crowd: Crowd = { namespace, labels, countByHost: new Map() };
  state.crowdByKey.set(key, crowd);
  return crowd;
}

export function countPod(state: PlannerState, host: Host, pod: PlacePod, copies: 1 | -1): void {
  if (pod.ended) return;
  countIn(crowdOf(state, pod.workload.namespace, pod.labels), host, copies);
}

export function countIn({ countByHost }: Crowd, host: Host, copies: 1 | -1): void {
  const left = (countByHost.get(host) ?? 0) + copies;
  if (left > 0) countByHost.set(host, left);
  else countByHost.delete(host);
}

const texts = new WeakMap<Crowd["labels"], string>();

function canonicalOf(labels: Crowd["labels"]): string {
  const known = texts.get(labels);
  if (known !== undefined) return known;
  const text = canonical(labels);
  texts.set(labels, text);
  return text;
}
