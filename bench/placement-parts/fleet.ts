import { pick, randomStream, type Random } from "../../src/core/kernel/random.ts";
import {
  noConstraints,
  type PlaceNode,
  type PlacementInput,
  type PlacePod,
  type Requests,
  type Workload,
  type WorkloadSpread,
} from "../../src/core/placement/contract.ts";

/** A fleet to place on: sites of ten machines of three sizes, and workloads of the edge's three kinds. */
export type Fleet = { readonly nodes: readonly PlaceNode[]; readonly workloads: readonly Workload[] };

export const mebibyte = 2 ** 20;
export const moment = { now: 1_000_000, wall: 1_800_000_000_000 };
export const config = { quietPeriod: 10_000, claimDelay: 300 };

const sizes = [
  { tier: "1", cpuMilli: 16_000, memoryBytes: 65_536 * mebibyte },
  { tier: "2", cpuMilli: 8_000, memoryBytes: 16_384 * mebibyte },
  { tier: "3", cpuMilli: 4_000, memoryBytes: 4_096 * mebibyte },
] as const;

/**
 * @param pods About as many as the workloads ask for: half in every site, a quarter in the whole mesh, a
 *   quarter as DaemonSets.
 */
export function fleetOf(nodes: number, pods: number, seed = 1): Fleet {
  const random = randomStream(seed, "fleet");
  const sites = nodes / 10;
  const machines = Array.from({ length: nodes }, (_, at) => machine(at, sizes[(at % 10) % 3] ?? sizes[2]));
  const workloads: Workload[] = [];
  const perSite = Math.round(pods / 2 / sites / 2);
  for (let at = 0; at < perSite; at++)
    workloads.push(workloadOf(`site-${at}`, { type: "per-site", replicas: 2, sites: {} }, random));
  const perNode = Math.round(pods / 4 / nodes);
  for (let at = 0; at < perNode; at++) workloads.push(workloadOf(`node-${at}`, { type: "per-node" }, random));
  const left = pods - perSite * sites * 2 - perNode * nodes;
  for (let at = 0; at < left / 50; at++)
    workloads.push(workloadOf(`mesh-${at}`, { type: "mesh", replicas: 50 }, random));
  return { nodes: machines, workloads };
}

export function machine(at: number, size: Requests & { readonly tier: string }): PlaceNode {
  const site = `site-${String(Math.floor(at / 10)).padStart(4, "0")}`;
  const id = `n${String(at).padStart(6, "0")}`;
  return {
    id,
    name: id,
    site,
    region: `region-${Math.floor(at / 500)}`,
    labels: {
      "starlight.dev/tier": size.tier,
      "kubernetes.io/hostname": id,
      "topology.kubernetes.io/zone": site,
    },
    taints: [],
    cordoned: false,
    allocatable: { cpuMilli: size.cpuMilli, memoryBytes: size.memoryBytes, pods: 110 },
    runtimes: ["process"],
    verdict: "alive",
    verdictSince: 0,
  };
}

export function workloadOf(
  name: string,
  spread: WorkloadSpread,
  random: Random,
  requests?: Requests,
): Workload {
  return {
    ref: { group: "apps", kind: "Deployment", namespace: "bench", name },
    uid: name,
    spread,
    revision: "r1",
    priority: 0,
    preempts: true,
    labels: { app: name },
    nodeSelector: {},
    constraints: noConstraints,
    tolerations: [],
    requests: requests ?? {
      cpuMilli: pick(random, [50, 100, 200]) ?? 100,
      memoryBytes: (pick(random, [32, 64, 128]) ?? 64) * mebibyte,
    },
    variants: [],
    runtime: "process",
    policy: { onPartition: "duplicate", lostAfter: 60_000, lostBySiteAfter: 700, onHeal: "keepOriginal" },
    updatesAtOnce: 1,
  };
}

export const inputOf = (fleet: Fleet, pods: readonly PlacePod[], self: string): PlacementInput => ({
  ...config,
  ...moment,
  ...fleet,
  pods,
  self,
});

/** A pod where it was placed. */
export function podOf(of: Workload, slot: string, node: string, uid: string): PlacePod {
  return {
    uid,
    node,
    workload: of.ref,
    slot,
    revision: of.revision,
    claimedAt: 1,
    ended: false,
    ready: true,
    labels: of.labels,
    requests: of.requests,
  };
}
