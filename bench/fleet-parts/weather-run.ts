import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { isMainThread } from "node:worker_threads";
import { configDefaults, nodeConfigOf } from "../../src/app/config-schema.ts";
import { liveADay, type DayOptions } from "../../src/sim/fleet/day.ts";
import type { Fleet } from "../../src/sim/fleet/fleet.ts";
import { runAsShard, runInThreads } from "../../src/sim/shard-threads.ts";
import type { Shard } from "../../src/sim/shard.ts";
import {
  heapMb,
  memoryBytes,
  memoryBytesMost,
  processorSeconds,
  sayProgress,
  shapeOf,
  soFar,
} from "./here.ts";
import type { MeasuredPhase, WeatherPoint } from "./weather.ts";

/**
 * The day of one fleet, in a process of its own: `weather-run.ts NODES HOURS PACE SEED THREADS FILE` writes it to the
 * file; `auto` threads are as many as there are cores, as long as each has enough to do.
 */

const cutMs = 180_000;
/** Several rounds of summaries of regions, which come and go over metered links with their comparisons only. */
const calmMaxMs = 900_000;
const nodesPerThreadLeast = 2_000;
const youngMb = 192;
/** A large fleet needs minutes for a few virtual seconds. */
const sayEverySeconds = 60;

type Measured = Omit<WeatherPoint, "memoryBytes">;

if (isMainThread) await main();
else runAsShard(measure);

async function main(): Promise<void> {
  const [, , nodesText = "", hoursText = "", paceText = "", seedText = "", threads = "", file = ""] =
    process.argv;
  const nodes = Number(nodesText);
  const data: DayOptions = {
    ...shapeOf(nodes),
    seed: Number(seedText),
    config: nodeConfigOf(configDefaults),
    weatherMs: Math.round(Number(hoursText) * 3_600_000),
    pace: paceText === "day" ? undefined : Number(paceText),
    cutMs,
    calmMaxMs,
  };
  const useful = Math.max(1, Math.floor(nodes / nodesPerThreadLeast));
  const shards = threads === "auto" ? Math.min(useful, availableParallelism()) : Number(threads);
  const measured = (await runInThreads({
    module: new URL(import.meta.url),
    shards,
    data,
    heapMb: { old: Math.floor(heapMb / shards), young: youngMb },
  })) as Measured;
  for (const violation of measured.violations) sayProgress(nodesText, violation);
  const point: WeatherPoint = { ...measured, memoryBytes: memoryBytesMost() };
  writeFileSync(file, JSON.stringify(point));
}

/** What the first thread says of processor and memory is of all of them; frames are its own. */
function measure(shard: Shard, options: DayOptions): Measured {
  const { nodes, seed } = options;
  const phases: MeasuredPhase[] = [];
  let [processorBefore, wallBefore] = [0, performance.now()];
  let saidAt = performance.now();
  const say = (what: string): void => {
    if (shard.number === 0) sayProgress(String(nodes), what);
  };
  const sayWhere = ({ world, members }: Fleet): void => {
    saidAt = performance.now();
    const at = `${Math.round(world.now / 1_000)} s, ${members.size} members`;
    say(`${at}, ${soFar(world.network.frames)}, ${world.violations.length} violations`);
  };
  const day = liveADay(
    options,
    {
      ended: (phase) => {
        const cpuSeconds = processorSeconds() - processorBefore;
        const wallSeconds = (performance.now() - wallBefore) / 1_000;
        [processorBefore, wallBefore] = [processorSeconds(), performance.now()];
        phases.push({ ...phase, cpuSeconds, wallSeconds, memoryBytes: memoryBytes() });
        say(
          `${phase.name}: ${phase.virtualMs / 1_000} virtual s, ${Math.round(wallSeconds)} s, ${Math.round(cpuSeconds)} s of processor, ${Math.round(phase.meanBytesPerSecond)} B/s a node`,
        );
      },
      passed: (fleet) => {
        if (performance.now() >= saidAt + 1_000 * sayEverySeconds) sayWhere(fleet);
      },
      looked: sayWhere,
    },
    shard,
  );
  return { ...day, nodes, seed, threads: shard.of, phases };
}
