import { writeFileSync } from "node:fs";
import { configDefaults, nodeConfigOf } from "../../src/app/config-schema.ts";
import { liveADay } from "../../src/sim/fleet/day.ts";
import type { Fleet } from "../../src/sim/fleet/fleet.ts";
import { memoryBytes, memoryBytesMost, processorSeconds, sayProgress, shapeOf, soFar } from "./here.ts";
import type { MeasuredPhase, WeatherPoint } from "./weather.ts";

/** The day of one fleet, in a process of its own: `weather-run.ts NODES HOURS PACE SEED FILE` writes it to the file. */

const cutMs = 180_000;
/** Several rounds of summaries of regions, which come and go over metered links with their comparisons only. */
const calmMaxMs = 900_000;

const [, , nodesText = "", hoursText = "", paceText = "", seedText = "", file = ""] = process.argv;
const [nodes, hours, seed] = [Number(nodesText), Number(hoursText), Number(seedText)];
const pace = paceText === "day" ? undefined : Number(paceText);

const say = (what: string): void => sayProgress(nodesText, what);
const phases: MeasuredPhase[] = [];
let processorBefore = 0;
/** A large fleet needs minutes for a few virtual seconds. */
const sayEverySeconds = 60;
let saidAt = 0;
const { phases: _, ...day } = liveADay(
  {
    ...shapeOf(nodes),
    seed,
    config: nodeConfigOf(configDefaults),
    weatherMs: Math.round(hours * 3_600_000),
    pace,
    cutMs,
    calmMaxMs,
  },
  {
    ended: (phase) => {
      const cpuSeconds = processorSeconds() - processorBefore;
      processorBefore = processorSeconds();
      phases.push({ ...phase, cpuSeconds, memoryBytes: memoryBytes() });
      say(
        `${phase.name}: ${phase.virtualMs / 1_000} virtual s, ${Math.round(cpuSeconds)} s of processor, ${Math.round(phase.meanBytesPerSecond)} B/s a node`,
      );
    },
    passed: (fleet) => {
      if (processorSeconds() >= saidAt + sayEverySeconds) sayWhere(fleet);
    },
    looked: sayWhere,
  },
);
function sayWhere({ world, members }: Fleet): void {
  saidAt = processorSeconds();
  const at = `${Math.round(world.now / 1_000)} s, ${members.size} members`;
  say(`${at}, ${soFar(world.network.frames)}, ${world.violations.length} violations`);
}

const point: WeatherPoint = {
  ...day,
  nodes,
  seed,
  phases,
  memoryBytes: memoryBytesMost(),
};
for (const violation of day.violations) say(violation);
writeFileSync(file, JSON.stringify(point));
