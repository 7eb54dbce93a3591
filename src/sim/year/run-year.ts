import {
  noConstraints,
  type PartitionPolicy,
  type PlaceNode,
  type Workload,
} from "../../core/placement/contract.ts";
import { randomStream } from "../../core/kernel/random.ts";
import { runExclusiveSite, type LeaseTimes } from "./exclusive-site.ts";
import { kubernetesTimes, runHubSite } from "./hub-site.ts";
import { runMeshSite, type MeshTimes } from "./mesh-site.ts";
import { momentsOf } from "./site-world.ts";
import type { Score } from "./score.ts";
import { hubOutages, outagesOf, type Climate } from "./weather.ts";

export type YearOptions = {
  readonly seed: number;
  readonly nodes: number;
  readonly days: number;
  readonly climate: Climate;
};

/** One kind of workload, as every site runs it. */
export type Kind = {
  readonly name: string;
  readonly replicas: number;
  readonly policy: "duplicate" | "freeze" | "majority";
};

export const kinds: readonly Kind[] = [
  { name: "till", replicas: 2, policy: "duplicate" },
  { name: "camera", replicas: 1, policy: "duplicate" },
  { name: "archive", replicas: 1, policy: "freeze" },
  { name: "ledger", replicas: 1, policy: "majority" },
];

export type Year = {
  readonly options: YearOptions;
  readonly sites: number;
  /** Seconds without power, of all sites together: nobody serves then. */
  readonly darkS: number;
  readonly results: readonly {
    readonly kind: Kind;
    readonly mesh: readonly Score[];
    readonly hub: readonly Score[];
  }[];
};

/** Delays as measured with real processes; see docs/performance.md. */
export const meshTimes: MeshTimes & LeaseTimes = {
  closedMs: 300,
  silentMs: 4_000,
  silentVerdict: "unreachable",
  agentStartMs: 1_000,
  podStartMs: 2_000,
  claimDelayMs: 300,
  quietPeriodMs: 10_000,
  leaseMs: 10_000,
  promiseMs: 12_000,
};

/** The same weather over a mesh and over a fleet with a control plane in a data centre. */
export function runYear(options: YearOptions, progress: (done: number, of: number) => void): Year {
  const seconds = options.days * 86_400;
  const sizes = siteSizes(options);
  const hub = hubOutages(options.climate, options.seed, seconds);
  const results = kinds.map((kind) => ({ kind, mesh: [] as Score[], hub: [] as Score[] }));
  let darkS = 0;
  for (const [at, nodes] of sizes.entries()) {
    const site = `site-${at + 1}`;
    const outages = outagesOf(options.climate, { seed: options.seed, site, nodes, seconds });
    for (const { fault, fromS, toS } of outages) if (fault === "site-power") darkS += toS - fromS;
    const alone = momentsOf(outages, nodes);
    const withHub = momentsOf([...outages, ...hub], nodes);
    const placed = kinds.filter(({ policy }) => policy !== "majority").map(workloadOf);
    const scores = runMeshSite(meshTimes, siteNodes(site, nodes), placed, alone, seconds * 1000);
    for (const { kind, mesh, hub: spokes } of results) {
      const { name, replicas, policy } = kind;
      const exclusive = policy === "majority";
      const score = exclusive ? runExclusiveSite(meshTimes, nodes, alone, seconds * 1000) : scores.get(name);
      if (score !== undefined) mesh.push(score);
      const asKept = { replicas, stateful: exclusive };
      spokes.push(runHubSite(kubernetesTimes, nodes, asKept, withHub, seconds * 1000));
    }
    progress(at + 1, sizes.length);
  }
  return { options, sites: sizes.length, darkS, results };
}

/** Sites of 2 to 8 machines, 4 on average. */
function siteSizes({ seed, nodes }: YearOptions): number[] {
  const random = randomStream(seed, "sizes");
  const sizes: number[] = [];
  for (let left = nodes; left > 0;) {
    const size = Math.min(left, [2, 3, 3, 4, 5, 8][Math.floor(random() * 6)] ?? 3);
    sizes.push(size);
    left -= size;
  }
  return sizes;
}

function siteNodes(site: string, count: number): PlaceNode[] {
  return Array.from({ length: count }, (_, at) => ({
    id: `${site}-${at + 1}`,
    name: `${site}-${at + 1}`,
    site,
    region: "region",
    labels: {},
    taints: [],
    cordoned: false,
    allocatable: { cpuMilli: 4_000, memoryBytes: 8 * 2 ** 30, pods: 100 },
    runtimes: ["process"],
    verdict: "alive",
    verdictSince: 0,
  }));
}

function workloadOf({ name, replicas, policy }: Kind): Workload {
  const onPartition: PartitionPolicy["onPartition"] = policy === "freeze" ? "freeze" : "duplicate";
  return {
    ref: { group: "apps", kind: "Deployment", namespace: "default", name },
    uid: name,
    spread: { type: "per-site", replicas, sites: {} },
    revision: "1",
    priority: 0,
    preempts: true,
    labels: { app: name },
    nodeSelector: {},
    constraints: noConstraints,
    tolerations: [],
    requests: { cpuMilli: 100, memoryBytes: 2 ** 28 },
    variants: [],
    runtime: "process",
    policy: { onPartition, lostAfter: 30_000, lostBySiteAfter: 600, onHeal: "keepOriginal" },
    updatesAtOnce: 1,
  };
}
