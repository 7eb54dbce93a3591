import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configDefaults, nodeConfigOf } from "../src/app/config-schema.ts";
import { randomStream, shuffled } from "../src/core/kernel/random.ts";
import type { Machine } from "../src/sim/machine.ts";
import { Trace } from "../src/sim/trace.ts";
import { World } from "../src/sim/world.ts";
import { drawFleet, type FleetPoint } from "./fleet-parts/draw.ts";
import { atMost, quantile, type Bench, type Metric } from "./metric.ts";

/**
 * A fleet in one process, under virtual time: sites of 5 nodes, 50 sites a region, detail that stays in the
 * site, the defaults of the agent. Measured in the steady state, with intents written and nodes restarted.
 */

const nodesPerSite = 5;
const sitesPerRegion = 50;
/** All start within this; then the links between places are made, and summaries spread. */
const startMs = 20_000;
const settleMs = 90_000;
const measureMs = 60_000;
/** In the measured time: so many intents, and restarts of so many nodes (of 10,000: one in 1,000). */
const writes = 6;
const restartsMax = 10;
const sizesDefault = "100,1000,10000";

const goals = { records: 220, stateKb: 200, bytesPerSecond: 1_000, memoryGb: 8 } as const;

export const bench: Bench = {
  about:
    "state and bytes of a node in fleets of 100, 1,000 and 10,000 (STARLIGHT_FLEET=100,1000 for others); draws docs/pictures/fleet.svg",
  run: (progress) => {
    const sizes = (process.env["STARLIGHT_FLEET"] ?? sizesDefault).split(",").map(Number);
    const points = sizes.map((nodes) => measure(nodes, progress));
    const folder = join(import.meta.dirname, "../docs/pictures");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "fleet.svg"), drawFleet(points));
    return Promise.resolve(points.flatMap(metricsOf));
  },
};

function measure(nodes: number, progress: (line: string) => void): FleetPoint {
  const sites = Math.max(1, Math.round(nodes / nodesPerSite));
  const layout = Array.from({ length: sites }, (_, at) => ({
    site: `site-${at}`,
    region: `region-${Math.floor(at / sitesPerRegion)}`,
    nodes: nodesPerSite,
  }));
  const world = new World(1, layout, nodeConfigOf(configDefaults), new Trace(), {
    detail: "site",
    sharing: true,
  });
  const random = randomStream(1, "fleet");
  const restarted = shuffled(random, world.machines).slice(0, Math.min(restartsMax, Math.ceil(nodes / 100)));
  for (const machine of world.machines) {
    machine.disk.keeps = restarted.includes(machine);
    world.at(random() * startMs, () => machine.startAgent());
  }
  runWithProgress(world, startMs + settleMs, progress, `${nodes} nodes come up`);
  const sentBefore = world.machines.map(({ host }) => world.network.sentBy(host));
  const from = world.now;
  for (let write = 0; write < writes; write++)
    world.at(from + (write * measureMs) / writes, () => writeNote(world.machines[write * 7], write));
  restarted.forEach((machine, at) => {
    world.at(from + (at * measureMs) / restarted.length, () => machine.powerOff());
    world.at(from + (at * measureMs) / restarted.length + 3_000, () => machine.powerOn());
  });
  const startedAt = performance.now();
  runWithProgress(world, from + measureMs, progress, `${nodes} nodes in steady state`);
  const speed = measureMs / (performance.now() - startedAt);
  const sent = world.machines.map(
    ({ host }, at) => (world.network.sentBy(host) - (sentBefore[at] ?? 0)) / (measureMs / 1000),
  );
  if (world.violations.length > 0) throw new Error(world.violations.join("; "));
  const told = world.machines.filter(({ node }) => node?.view.object(noteRef(0))?.exists === true);
  const states = world.machines.map(({ node }) => node?.view.footprint() ?? { records: 0, bytes: 0 });
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    nodes,
    records: mean(states.map(({ records }) => records)),
    recordsMost: Math.max(...states.map(({ records }) => records)),
    stateBytes: mean(states.map(({ bytes }) => bytes)),
    stateBytesMost: Math.max(...states.map(({ bytes }) => bytes)),
    bytesPerSecond: mean(sent),
    bytesPerSecondMost: quantile(sent, 0.99),
    reached: told.length / nodes,
    memoryBytes: process.memoryUsage().rss,
    speed,
  };
}

function runWithProgress(world: World, until: number, progress: (line: string) => void, what: string): void {
  const steps = 10;
  const from = world.now;
  for (let step = 1; step <= steps; step++) {
    world.run(from + ((until - from) * step) / steps);
    const memoryMb = Math.round(process.memoryUsage().rss / 1e6);
    progress(`${what}: ${Math.round(world.now / 1000)} s, ${world.network.frames} frames, ${memoryMb} MB`);
  }
}

const noteRef = (number: number) =>
  ({ group: "", kind: "ConfigMap", namespace: "default", name: `note-${number}` }) as const;

function writeNote(machine: Machine | undefined, number: number): void {
  const ref = noteRef(number);
  const { namespace, name } = ref;
  const value = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name }, data: { a: "1" } };
  const change = { type: "update", ref, value, manager: "bench", class: "user", mode: "create" } as const;
  machine?.deliver({ type: "write", request: number + 1, changes: [change], actor: "bench", dryRun: false });
}

function metricsOf(point: FleetPoint): readonly Metric[] {
  const of = (what: string): string => `${point.nodes} nodes: ${what}`;
  return [
    atMost(of("records a node, most"), point.recordsMost, "", goals.records),
    atMost(of("state a node, most"), point.stateBytesMost / 1000, "kB", goals.stateKb),
    atMost(of("sent a node, mean"), point.bytesPerSecond, "B/s", goals.bytesPerSecond),
    atMost(of("sent a node, p99"), point.bytesPerSecondMost, "B/s", 5 * goals.bytesPerSecond),
    atMost(of("nodes that an intent has not reached"), 1 - point.reached, "", 0),
    atMost(of("memory of the simulator"), point.memoryBytes / 1e9, "GB", goals.memoryGb),
    atMost(of("wall time a virtual second"), 1 / point.speed, "s", 1),
  ];
}
