import { pick, randomStream } from "../../src/core/kernel/random.ts";
import type { Forecast, PlaceNode, PlacePod, Workload } from "../../src/core/placement/contract.ts";
import { forecast } from "../../src/core/placement/decide.ts";
import { pod } from "../../src/core/placement/testbed.ts";
import { atMost, type Metric } from "../metric.ts";
import { fleetOf, inputOf, machine, mebibyte, workloadOf, type Fleet } from "./fleet.ts";

/** How good the placements are: what does not fit, how even it is, how much moves. */
export function quality(progress: (line: string) => void): Metric[] {
  return [...packing(progress), ...spreading(), ...moving()];
}

/**
 * Bin packing: one site of 50 equal machines and copies of 5 to 45 % of one, until the sum of what is
 * asked for is so much of the room. Best fit decreasing (a packer with all machines and all copies
 * before it, which neither spreads copies nor keeps them where they are) against ours.
 */
function packing(progress: (line: string) => void): Metric[] {
  return [0.8, 0.9, 0.95].flatMap((load) => {
    const results = Array.from({ length: 20 }, (_, seed) => packOnce(load, seed));
    const percent = (values: readonly number[]): number =>
      100 * (values.reduce((sum, value) => sum + value, 0) / values.length);
    const ours = percent(results.map((result) => result.ours));
    const best = percent(results.map((result) => result.best));
    progress(
      `${100 * load} % asked for: ${ours.toFixed(2)} % of it waits, ${best.toFixed(2)} % with best fit`,
    );
    const goal = load <= 0.8 ? 1 : load <= 0.9 ? 3 : 6;
    return [
      {
        ...atMost(`at ${Math.round(100 * load)} % load: share that waits`, ours, "%", goal),
        peer: "best fit decreasing",
        peerValue: Math.round(best * 100) / 100,
      },
    ];
  });
}

function packOnce(load: number, seed: number): { readonly ours: number; readonly best: number } {
  const random = randomStream(seed, "packing");
  const room = { tier: "2", cpuMilli: 8_000, memoryBytes: 16_384 * mebibyte };
  const nodes = Array.from({ length: 50 }, (_, at) => ({ ...machine(at, room), site: "one" }));
  const workloads: Workload[] = [];
  for (let asked = 0; asked < load * nodes.length * room.cpuMilli;) {
    const cpuMilli = 400 + Math.floor(random() * 3_200);
    const requests = { cpuMilli, memoryBytes: (pick(random, [64, 512, 2_048]) ?? 64) * mebibyte };
    workloads.push(workloadOf(`w${workloads.length}`, { type: "mesh", replicas: 1 }, random, requests));
    asked += cpuMilli;
  }
  const cpu = (of: readonly Workload[]): number =>
    of.reduce((sum, { requests }) => sum + requests.cpuMilli, 0);
  const told = forecast(inputOf({ nodes, workloads }, [], ""));
  const waiting = new Set(
    told.filter(({ outcome }) => outcome === "waits").map(({ workload }) => workload.name),
  );
  return {
    ours: cpu(workloads.filter(({ ref }) => waiting.has(ref.name))) / cpu(workloads),
    best: cpu(bestFitDecreasing(nodes, workloads)) / cpu(workloads),
  };
}

/** @returns What it could not place. */
function bestFitDecreasing(nodes: readonly PlaceNode[], workloads: readonly Workload[]): Workload[] {
  const free = nodes.map(({ allocatable }) => ({ ...allocatable }));
  const left: Workload[] = [];
  const sorted = [...workloads].sort((one, other) => other.requests.cpuMilli - one.requests.cpuMilli);
  for (const workload of sorted) {
    const { cpuMilli, memoryBytes } = workload.requests;
    const fitting = free.filter((room) => room.cpuMilli >= cpuMilli && room.memoryBytes >= memoryBytes);
    const [tightest] = fitting.sort((one, other) => one.cpuMilli - other.cpuMilli);
    if (tightest === undefined) left.push(workload);
    else {
      tightest.cpuMilli -= cpuMilli;
      tightest.memoryBytes -= memoryBytes;
    }
  }
  return left;
}

/** The most copies of a workload on one site less the fewest, for 50 copies over 100 sites and 30 over 7. */
function spreading(): Metric[] {
  return [
    [100, 50],
    [7, 30],
  ].map(([sites = 1, replicas = 1]) => {
    const fleet = fleetOf(sites * 10, 0);
    const random = randomStream(1, "spread");
    const workloads = Array.from({ length: 40 }, (_, at) =>
      workloadOf(`w${at}`, { type: "mesh", replicas }, random),
    );
    const told = forecast(inputOf({ ...fleet, workloads }, [], ""));
    const skews = workloads.map(({ ref }) => {
      const mine = told.filter(({ workload }) => workload.name === ref.name);
      const counts = fleet.nodes
        .filter((_, at) => at % 10 === 0)
        .map(({ site }) => mine.filter((slot) => slot.site === site).length);
      return Math.max(...counts) - Math.min(...counts);
    });
    return atMost(`${replicas} copies over ${sites} sites: most less fewest`, Math.max(...skews), "", 1);
  });
}

/** Copies that move or start after a change, against how many have to. */
function moving(): Metric[] {
  const fleet = fleetOf(200, 2_000);
  const placed = settled(fleet, []);
  const [gone, other] = [fleet.nodes[57], fleet.nodes[121]];
  if (gone === undefined || other === undefined) throw new Error("the fleet is too small");
  const survivors = placed.filter(({ node }) => node !== gone.id);
  const without: Fleet = { ...fleet, nodes: fleet.nodes.filter((node) => node !== gone) };
  // A DaemonSet's copy goes with its node: it has nowhere to move to.
  const owned = new Set(fleet.workloads.filter(({ spread }) => spread.type === "per-node").map(nameOf));
  const lost = placed.filter(({ node, workload }) => node === gone.id && !owned.has(workload.name)).length;
  const moves = changesBetween(survivors, settled(without, survivors));
  const joined: Fleet = {
    ...fleet,
    nodes: [...fleet.nodes, { ...other, id: "n999999", name: "n999999" }],
  };
  const onNewcomer = changesBetween(placed, settled(joined, placed));
  const scaled: Fleet = {
    ...fleet,
    workloads: fleet.workloads.map((of) =>
      of.spread.type === "mesh" ? { ...of, spread: { type: "mesh", replicas: 55 } } : of,
    ),
  };
  const more = 5 * fleet.workloads.filter(({ spread }) => spread.type === "mesh").length;
  const grown = changesBetween(placed, settled(scaled, placed));
  return [
    atMost("a node lost: copies moved over the fewest possible", moves / lost, "x", 1.2),
    atMost("a node joined: copies started over its DaemonSets'", onNewcomer / owned.size, "x", 1.2),
    atMost("scaled by 10 %: copies started over those asked for", grown / more, "x", 1.2),
    // Nobody places anew: said for comparison.
    atMost(
      "placed anew without the node: copies elsewhere over those that had to move",
      reshuffled(fleet),
      "x",
      Number.POSITIVE_INFINITY,
    ),
  ];
}

/** Of a fleet that lost a node: what placing all anew would move, over what had to; shows the method's own churn. */
function reshuffled(fleet: Fleet): number {
  const gone = fleet.nodes[57];
  const before = settled(fleet, []);
  const after = settled({ ...fleet, nodes: fleet.nodes.filter((node) => node !== gone) }, []);
  const placeBySlot = new Map(before.map((pod) => [keyOf(pod), pod.node]));
  const moved = after.filter((pod) => placeBySlot.get(keyOf(pod)) !== pod.node).length;
  const lost = before.filter(({ node, slot }) => node === gone?.id && !slot.startsWith("node/")).length;
  return moved / lost;
}

/** The fleet's copies once everything runs. */
function settled(fleet: Fleet, pods: readonly PlacePod[]): PlacePod[] {
  const workloadByName = new Map(fleet.workloads.map((of) => [nameOf(of), of] as const));
  const kept = new Map(pods.map((pod) => [keyOf(pod), pod] as const));
  const place = ({ workload, slot, node }: Forecast): PlacePod[] => {
    const of = workloadByName.get(workload.name);
    if (of === undefined || node === undefined) return [];
    const fresh = pod(`${workload.name} ${slot}@${node}`, node, of, slot);
    const known = kept.get(keyOf(fresh));
    return [known?.node === node ? known : fresh];
  };
  return forecast(inputOf(fleet, pods, "")).flatMap(place);
}

function changesBetween(before: readonly PlacePod[], after: readonly PlacePod[]): number {
  const known = new Set(before);
  return after.filter((pod) => !known.has(pod)).length;
}

const nameOf = ({ ref }: Workload): string => ref.name;
const keyOf = ({ workload, slot }: PlacePod): string => `${workload.name} ${slot}`;
