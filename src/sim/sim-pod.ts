import { isObject } from "../core/kernel/json.ts";
import type { PodReport, PodStart } from "../core/node/contract.ts";

/** A pod of the simulated runtime: it outlives the agent, not the machine. */
export type SimPod = {
  readonly start: PodStart;
  readonly startedAt: number;
  phase: PodReport["phase"];
  ready: boolean;
};

export function reportOf(pod: SimPod): PodReport {
  return {
    uid: pod.start.uid,
    phase: pod.phase,
    ready: pod.ready,
    address: "10.0.0.1",
    containers: [],
  };
}

/** The simulated workload that never becomes ready: its template says so in a label. */
export function isBroken(start: PodStart): boolean {
  return start.labels["broken"] === "true" || !isObject(start.spec);
}
