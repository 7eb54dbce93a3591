import { writeFileSync } from "node:fs";
import { configDefaults, nodeConfigOf } from "../../src/app/config-schema.ts";
import { randomStream, shuffled } from "../../src/core/kernel/random.ts";
import type { Machine } from "../../src/sim/machine.ts";
import { Trace } from "../../src/sim/trace.ts";
import { World } from "../../src/sim/world.ts";
import { median, quantile } from "../metric.ts";
import { layoutOfFleet } from "../../src/sim/fleet/layout.ts";
import type { FleetPoint } from "./draw.ts";
import {
  memoryBytesMost,
  nodesPerSite,
  processorSeconds,
  sayProgress,
  shapeOf,
  sitesPerRegion,
  soFar,
} from "./here.ts";

/**
 * One fleet, in a process of its own: `run.ts NODES FILE` writes what it measured to the file. With
 * `NODES/REGIONS` so many regions start, on disks that know the whole fleet: what a node holds of a fleet
 * that is too large to run.
 */

/** Power returns to all sites within this, and to the nodes of one site within a second. */
const startMs = 5_000;
/** Until then the heal reports about the power cut are out. */
const settledAtMs = 95_000;
const measureMs = 60_000;
/** In the measured time: so many intents, and restarts of so many nodes. */
const writes = 6;
const restartsMax = 10;

const [, , size = "", file = ""] = process.argv;
const [nodes = 0, regions = Number.POSITIVE_INFINITY] = size.split("/").map(Number);

const layout = layoutOfFleet(shapeOf(nodes));
const world = new World(1, layout, nodeConfigOf(configDefaults), new Trace(undefined, false), {
  detail: "site",
  sharing: true,
  settled: () => true,
});
const random = randomStream(1, "fleet");
const started = world.machines.filter((_, at) => at < regions * sitesPerRegion * nodesPerSite);
const restarted = shuffled(random, started).slice(0, Math.min(restartsMax, Math.ceil(nodes / 100)));
const startOfSite = new Map(layout.map(({ site }) => [site, random() * (startMs - 1_000)] as const));
for (const machine of started) {
  const at = startOfSite.get(machine.identity.site) ?? 0;
  world.at(at + random() * 1_000, () => machine.startAgent());
}
advance(settledAtMs, "come up");
const sentBefore = started.map(({ host }) => world.network.sentBy(host));
const from = world.now;
const writers = shuffled(random, started);
for (let write = 0; write < writes; write++)
  world.at(from + (write * measureMs) / (2 * writes), () => writeNote(writers[write], write));
restarted.forEach((machine, at) => {
  world.at(from + (at * measureMs) / restarted.length, () => machine.powerOff());
  world.at(from + (at * measureMs) / restarted.length + 3_000, () => machine.powerOn());
});
const before = { cpu: processorSeconds(), wall: performance.now() };
advance(from + measureMs, "in steady state");
const virtual = measureMs / 1000;
const sent = started.map(({ host }, at) => (world.network.sentBy(host) - (sentBefore[at] ?? 0)) / virtual);
if (world.violations.length > 0) throw new Error(world.violations.join("; "));
const told = started.filter(({ node }) => node?.view.object(noteRef(0))?.exists === true);
const states = started.map(({ node }) => node?.view.footprint() ?? { records: 0, bytes: 0 });
const records = states.map((state) => state.records);
const bytes = states.map((state) => state.bytes);
const point: FleetPoint = {
  nodes,
  running: started.length,
  records: median(records),
  recordsMost: Math.max(...records),
  stateBytes: median(bytes),
  stateBytesMost: Math.max(...bytes),
  bytesPerSecond: sent.reduce((sum, value) => sum + value, 0) / started.length,
  bytesPerSecondMost: quantile(sent, 0.99),
  reached: told.length / started.length,
  memoryBytes: memoryBytesMost(),
  speed: virtual / (processorSeconds() - before.cpu),
  wallSpeed: measureMs / (performance.now() - before.wall),
};
writeFileSync(file, JSON.stringify(point));

function advance(until: number, what: string): void {
  const steps = 10;
  const begin = world.now;
  for (let step = 1; step <= steps; step++) {
    world.run(begin + ((until - begin) * step) / steps);
    sayProgress(size, `${what}: ${Math.round(world.now / 1000)} s, ${soFar(world.network.frames)}`);
  }
}

function noteRef(number: number) {
  return { group: "", kind: "ConfigMap", namespace: "default", name: `note-${number}` } as const;
}

function writeNote(machine: Machine | undefined, number: number): void {
  const ref = noteRef(number);
  const { namespace, name } = ref;
  const value = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name }, data: { a: "1" } };
  const change = { type: "update", ref, value, manager: "bench", class: "user", mode: "create" } as const;
  machine?.write(number + 1, change, "bench");
}
