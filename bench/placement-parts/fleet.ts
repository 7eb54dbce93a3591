import { pick, randomStream, type Random } from "../../src/core/kernel/random.ts";
import type {
  PlaceNode,
  PlacementInput,
  PlacePod,
  Requests,
  Workload,
  WorkloadSpread,
} from "../../src/core/placement/contract.ts";
import * as testbed from "../../src/core/placement/testbed.ts";

/** A fleet to place on: sites of ten machines of three sizes, and workloads of the edge's three kinds. */
export type Fleet = { readonly nodes: readonly PlaceNode[]; readonly workloads: readonly Workload[] };

export const mebibyte = 2 ** 20;
export const moment = { now: testbed.now, wall: testbed.wall };

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
  return testbed.node(id, {
    name: id,
    site,
    region: `region-${Math.floor(at / 500)}`,
    labels: {
      "starlight.dev/tier": size.tier,
      "kubernetes.io/hostname": id,
      "topology.kubernetes.io/zone": site,
    },
    allocatable: { cpuMilli: size.cpuMilli, memoryBytes: size.memoryBytes, pods: 110 },
  });
}

export function workloadOf(
  name: string,
  spread: WorkloadSpread,
  random: Random,
  requests: Requests = {
    cpuMilli: pick(random, [50, 100, 200]) ?? 100,
    memoryBytes: (pick(random, [32, 64, 128]) ?? 64) * mebibyte,
  },
): Workload {
  const ref = { ...testbed.refOf(name), namespace: "bench" };
  return testbed.workload(name, { ref, uid: name, spread, requests });
}

export const inputOf = (fleet: Fleet, pods: readonly PlacePod[], self: string): PlacementInput =>
  testbed.inputOf({ ...fleet, pods }, self);
