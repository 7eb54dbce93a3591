import { epochMs } from "../kernel/hybrid-clock.ts";
import type { ObjectRef } from "../records/keys.ts";
import {
  noConstraints,
  type PlaceNode,
  type PlacementInput,
  type PlacementPlan,
  type PlacePod,
  type StopReason,
  type Workload,
} from "./contract.ts";
import { decide } from "./decide.ts";

/** Views to place in, and rounds in which every node decides and does what it decided. */

export const quietPeriod = 10_000;
export const claimDelay = 300;
export const gibibyte = 2 ** 30;
/** The moment at which views are decided upon; long after the verdicts of `node`. */
export const now = 100_000_000;
export const wall = 1_800_000_000_000;

export const refOf = (name: string): ObjectRef => ({
  group: "apps",
  kind: "Deployment",
  namespace: "shop",
  name,
});

/** A node with room for 100 small pods; its site is the part of its id before the `-`. */
export function node(id: string, parts: Partial<PlaceNode> = {}): PlaceNode {
  return {
    id,
    name: `name-${id}`,
    site: id.split("-")[0] ?? "",
    region: "north",
    labels: {},
    taints: [],
    cordoned: false,
    allocatable: { cpuMilli: 4_000, memoryBytes: 8 * gibibyte, pods: 100 },
    runtimes: ["process"],
    verdict: "alive",
    verdictSince: now - 1_000_000,
    ...parts,
  };
}

export function workload(name: string, parts: Partial<Workload> = {}): Workload {
  return {
    ref: refOf(name),
    uid: `uid-${name}`,
    spread: { type: "mesh", replicas: 3 },
    revision: "r1",
    priority: 0,
    preempts: true,
    labels: { app: name },
    nodeSelector: {},
    constraints: noConstraints,
    tolerations: [],
    requests: { cpuMilli: 10, memoryBytes: 1 },
    variants: [],
    runtime: "process",
    policy: { onPartition: "duplicate", lostAfter: 60_000, lostBySiteAfter: 700, onHeal: "keepOriginal" },
    updatesAtOnce: 1,
    ...parts,
  };
}

export function pod(
  uid: string,
  on: string,
  of: Workload,
  slot: string,
  parts: Partial<PlacePod> = {},
): PlacePod {
  return {
    uid,
    node: on,
    workload: of.ref,
    slot,
    revision: of.revision,
    claimedAt: 1,
    ended: false,
    ready: true,
    labels: of.labels,
    requests: of.requests,
    ...parts,
  };
}

export type View = Pick<PlacementInput, "nodes" | "workloads" | "pods">;

export const inputOf = (view: View, self: string): PlacementInput => ({
  ...view,
  self,
  quietPeriod,
  claimDelay,
  now,
  wall,
});
export const planOf = (view: View, self: string): PlacementPlan => decide(inputOf(view, self));

/** What all nodes are to start now, as `slot@node`, sorted. */
export function firstStarts(view: View): string[] {
  return view.nodes
    .flatMap(({ id }) => planOf(view, id).starts.map((start) => ({ ...start, id })))
    .filter(({ after }) => after === 0)
    .map(({ workload, slot, id }) => `${workload.name} ${slot}@${id}`)
    .sort();
}

export const stopsOf = (view: View): string[] =>
  view.nodes
    .flatMap(({ id }) => planOf(view, id).stops)
    .map(({ uid, reason }) => `${reason} ${uid}`)
    .sort();

export type Stop = { readonly uid: string; readonly reason: StopReason };

/** Every node that is alive decides from the same view; what starts is ready a round later. */
export function nextRound(view: View): {
  readonly view: View;
  readonly stops: readonly Stop[];
  readonly still: boolean;
} {
  const plans = view.nodes
    .filter(({ verdict }) => verdict === "alive")
    .map(({ id }) => ({ id, plan: planOf(view, id) }));
  const stops = plans.flatMap(({ plan }) => plan.stops);
  const claimedAt = Math.max(0, ...view.pods.map((pod) => pod.claimedAt)) + 1;
  const started = plans.flatMap(({ id, plan }) =>
    plan.starts
      .filter(({ after }) => after === 0)
      .map((start): PlacePod => {
        const of = view.workloads.find(({ ref }) => ref.name === start.workload.name);
        if (of === undefined) throw new Error(`a start of the unknown workload ${start.workload.name}`);
        const uid = `${start.workload.name} ${start.slot}@${id} ${claimedAt}`;
        const { variant } = start;
        const requests = of.variants.find(({ name }) => name === variant)?.requests ?? of.requests;
        return pod(uid, id, of, start.slot, { claimedAt, ready: false, variant, requests });
      }),
  );
  const kept = view.pods.filter(({ uid }) => !stops.some((stop) => stop.uid === uid));
  const still = stops.length === 0 && started.length === 0 && view.pods.every(({ ready }) => ready);
  return {
    view: { ...view, pods: [...kept.map((pod) => ({ ...pod, ready: true })), ...started] },
    stops,
    still,
  };
}

/** Rounds until nothing changes any more; `seen` is told each view and what was stopped upon it. */
export function settle(
  view: View,
  seen: (view: View, stops: readonly Stop[]) => void = () => undefined,
): View {
  let current = view;
  for (let round = 0; round < 100; round++) {
    const next = nextRound(current);
    seen(current, next.stops);
    if (next.still) return current;
    current = next.view;
  }
  throw new Error("no rest within 100 rounds");
}

/** Copies that run on nodes that are alive, as `slot@node`, sorted. */
export function running(view: View, name: string): string[] {
  const alive = new Set(view.nodes.filter(({ verdict }) => verdict === "alive").map(({ id }) => id));
  return view.pods
    .filter((pod) => pod.workload.name === name && !pod.ended && alive.has(pod.node))
    .map(({ slot, node }) => `${slot}@${node}`)
    .sort();
}

export const withNode = (view: View, id: string, parts: Partial<PlaceNode>): View => ({
  ...view,
  nodes: view.nodes.map((node) => (node.id === id ? { ...node, ...parts } : node)),
});

/** For how long a verdict has stood. */
export const since = (verdictFor: number): { readonly verdictSince: number } => ({
  verdictSince: now - verdictFor,
});

/** The version stamp of a wall time. */
export const versionAt = (at: number): number => (at - epochMs) * 4096;
