import type { PlacePod, Workload } from "../src/core/placement/contract.ts";
import { forecast, plannerOf } from "../src/core/placement/decide.ts";
import { atLeast, atMost, median, quantile, type Bench, type Metric } from "./metric.ts";
import { pod } from "../src/core/placement/testbed.ts";
import { fleetOf, inputOf, moment, type Fleet } from "./placement-parts/fleet.ts";
import { quality } from "./placement-parts/quality.ts";

/** What deciding costs, from nothing and after one change, and how good the decisions are. */
export const bench: Bench = {
  about: "placement: decisions a second, cost of one change, packing, spread, moves",
  run: (progress) =>
    Promise.resolve([
      ...speed(1_000, 10_000, 5, progress),
      ...speed(10_000, 100_000, 3, progress),
      ...quality(progress),
    ]),
};

/**
 * Published figures of kube-scheduler, for context only: another machine, another job (it binds one pod
 * after the other through an API server; here every node only computes).
 * - 100 pods/s on 5,000 nodes is its service goal of old: kubernetes.io/blog/2016/03/1000-nodes-and-beyond
 * - 300 pods/s is what SIG Scalability's tests hold today's to
 */
const kubeScheduler = { peer: "kube-scheduler, published", peerValue: 300 };

function speed(nodes: number, pods: number, rounds: number, progress: (line: string) => void): Metric[] {
  const fleet = fleetOf(nodes, pods);
  const self = fleet.nodes[0]?.id ?? "";
  const name = `${nodes} nodes, ${pods} pods`;
  const rates: number[] = [];
  let placed: PlacePod[] = [];
  for (let round = 0; round < rounds; round++) {
    const input = inputOf(fleet, [], self);
    const begun = performance.now();
    plannerOf(input).plan(moment);
    const spentMs = performance.now() - begun;
    placed = podsOf(fleet);
    rates.push((placed.length / spentMs) * 1000);
    progress(`${name}: ${placed.length} decisions in ${Math.round(spentMs)} ms`);
  }
  const changes = oneChange(fleet, placed, self);
  return [
    {
      ...atLeast(`${name}: decisions from scratch`, Math.round(median(rates)), "/s", 100_000),
      ...kubeScheduler,
    },
    atMost(`${name}: one node lost and decided, median`, median(changes.lost), "ms", 10),
    atMost(`${name}: one node lost and decided, p99`, quantile(changes.lost, 0.99), "ms", 10),
    atMost(`${name}: one pod's report, median`, median(changes.report), "ms", 1),
  ];
}

/** Every slot where the mesh as a whole places it. */
function podsOf(fleet: Fleet): PlacePod[] {
  const workloadByName = new Map<string, Workload>(fleet.workloads.map((of) => [of.ref.name, of]));
  const nodeByName = new Map(fleet.nodes.map((node) => [node.name, node.id]));
  return forecast(inputOf(fleet, [], "")).flatMap(({ workload, slot, node }, at) => {
    const of = workloadByName.get(workload.name);
    return of === undefined || node === undefined
      ? []
      : [pod(`p${at}`, nodeByName.get(node) ?? "", of, slot)];
  });
}

/** A settled fleet in which one node after the other dies and comes back, and pods report. */
function oneChange(
  fleet: Fleet,
  placed: readonly PlacePod[],
  self: string,
): { readonly lost: number[]; readonly report: number[] } {
  const planner = plannerOf(inputOf(fleet, placed, self));
  planner.plan(moment);
  const timed = (change: () => void): number => {
    const begun = performance.now();
    change();
    planner.plan(moment);
    return performance.now() - begun;
  };
  const lost: number[] = [];
  const report: number[] = [];
  const step = Math.floor(fleet.nodes.length / 200);
  for (let at = 1; at < fleet.nodes.length; at += step) {
    const node = fleet.nodes[at];
    const pod = placed[at];
    if (node === undefined || pod === undefined) continue;
    lost.push(timed(() => planner.handle({ type: "node", node: { ...node, verdict: "dead" } })));
    timed(() => planner.handle({ type: "node", node }));
    report.push(timed(() => planner.handle({ type: "pod", pod: { ...pod } })));
  }
  return { lost, report };
}
