import { isObject, type Json } from "../core/kernel/json.ts";
import { quantityIn } from "../core/intents/quantity.ts";
import type { PodReport, PodStart } from "../core/node/contract.ts";
import { completionIndexLabel } from "../core/node/pod-start.ts";

/** A pod of the simulated runtime: it outlives the agent, not the machine. */
export type SimPod = {
  readonly start: PodStart;
  readonly startedAt: number;
  phase: PodReport["phase"];
  ready: boolean;
  /** How often its program was started again. */
  restarts: number;
  /** Its program has ended and is started again in a moment. */
  waiting: boolean;
  /** Told to stop, and not gone yet. */
  stopping: boolean;
};

export const newPod = (start: PodStart, startedAt: number): SimPod => ({
  start,
  startedAt,
  phase: "Running",
  ready: false,
  restarts: 0,
  waiting: false,
  stopping: false,
});

export function reportOf({ start, phase, ready, restarts, waiting }: SimPod): PodReport {
  const about = { name: "main", image: "sim", ready, restarts, ports: [] } as const;
  const container =
    phase !== "Running"
      ? ({ ...about, state: "terminated", exitCode: phase === "Succeeded" ? 0 : 1 } as const)
      : waiting
        ? ({ ...about, state: "waiting", reason: "CrashLoopBackOff" } as const)
        : ({ ...about, state: "running" } as const);
  const isPlain = phase === "Running" && restarts === 0;
  return { uid: start.uid, phase, ready, address: "10.0.0.1", containers: isPlain ? [] : [container] };
}

/** The simulated workload that never becomes ready: its template says so in a label. */
export function isBroken(start: PodStart): boolean {
  return start.labels["broken"] === "true" || !isObject(start.spec);
}

/** What the program of a job does, as its template says in labels. */
export const workLabel = "sim.dev/work-ms";
export const failsLabel = "sim.dev/fails";
/** `first`: the first try of each index ends badly, wherever it is; `always`: every try. */
export type Fails = "never" | "first" | "always";

/** How long the program works and how its first and its later tries end; undefined: it goes on for ever. */
export function workOf({ labels }: PodStart): { readonly lasts: number; readonly fails: Fails } | undefined {
  const lasts = labels[workLabel];
  if (lasts === undefined) return undefined;
  const fails = labels[failsLabel];
  return { lasts: Number(lasts), fails: fails === "first" || fails === "always" ? fails : "never" };
}

/** The name of the job whose pod it is, and which of its indexes; undefined for other pods. */
export function jobOf({ labels }: PodStart): { readonly name: string; readonly index: number } | undefined {
  const name = labels["job-name"];
  return name === undefined ? undefined : { name, index: Number(labels[completionIndexLabel]) };
}

/** What its containers ask for of a resource, in whole units. */
export function requestsOf({ spec }: PodStart, resource: string): number {
  const { containers } = spec as { readonly containers?: readonly Asking[] };
  return (containers ?? []).reduce((sum, { resources }) => {
    const asked = resources?.requests?.[resource];
    return sum + (asked === undefined ? 0 : (quantityIn(asked, "one") ?? 0));
  }, 0);
}

type Asking = { readonly resources?: { readonly requests?: { readonly [resource: string]: Json } } };
