import { writeFileSync } from "node:fs";
import { configDefaults, nodeConfigOf } from "../../src/app/config-schema.ts";
import { liveADay } from "../../src/sim/fleet/day.ts";
import type { MeasuredPhase, WeatherPoint } from "./weather.ts";

/** The day of one fleet, in a process of its own: `weather-run.ts NODES HOURS SEED FILE` writes it to the file. */

const nodesPerSite = 5;
const sitesPerRegion = 50;
const cutMs = 180_000;
/** Several rounds of summaries of regions, the slowest of all that is told. */
const calmMaxMs = 600_000;

const [, , nodesText = "", hoursText = "", seedText = "", file = ""] = process.argv;
const [nodes, hours, seed] = [Number(nodesText), Number(hoursText), Number(seedText)];

const phases: MeasuredPhase[] = [];
let cpuBefore = 0;
const { phases: _, ...day } = liveADay(
  {
    seed,
    nodes,
    nodesPerSite,
    sitesPerRegion,
    config: nodeConfigOf(configDefaults),
    weatherMs: Math.round(hours * 3_600_000),
    cutMs,
    calmMaxMs,
  },
  {
    ended: (phase) => {
      const cpuSeconds = cpuUsed() - cpuBefore;
      cpuBefore = cpuUsed();
      phases.push({ ...phase, cpuSeconds, memoryBytes: process.memoryUsage().rss });
      say(
        `${phase.name}: ${phase.virtualMs / 1_000} virtual s, ${Math.round(cpuSeconds)} s of processor, ${Math.round(phase.meanBytesPerSecond)} B/s a node`,
      );
    },
    looked: ({ world, members }) => {
      const memoryMb = Math.round(process.memoryUsage().rss / 1e6);
      const problems = world.violations.length === 0 ? "" : `, ${world.violations.length} violations`;
      say(
        `${Math.round(world.now / 1_000)} s, ${members.size} members, ${world.network.frames} frames, ${memoryMb} MB${problems}`,
      );
    },
  },
);
const point: WeatherPoint = {
  ...day,
  nodes,
  seed,
  phases,
  memoryBytes: process.resourceUsage().maxRSS * 1024,
};
for (const violation of day.violations) say(violation);
writeFileSync(file, JSON.stringify(point));

function say(what: string): void {
  process.stderr.write(`${nodes} nodes: ${what}\n`);
}

function cpuUsed(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
