import { configDefaults, nodeConfigOf } from "../src/app/config-schema.ts";
import type { Machine } from "../src/sim/machine.ts";
import { cut, mend } from "../src/sim/testbed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World } from "../src/sim/world.ts";
import { atMost, type Bench, type Metric } from "./metric.ts";

/**
 * What one site says to itself when something happens to it, in the simulator: exact, for every agent. All hear
 * of all, so an event costs each agent what grows with the size of the site; not with its square.
 */

const sizesDefault = "10,20,50";
const startMs = 180_000;
/** So many times what the smallest site says, grown in step with the number of nodes. */
const growthMax = 2;

export const bench: Bench = {
  about:
    "what an agent sends when one of its site dies, returns, or the site is cut into halves; simulated (STARLIGHT_SIZES=10,20,50 for other sizes)",
  run: (progress) => {
    const sizes = (process.env["STARLIGHT_SIZES"] ?? sizesDefault).split(",").map(Number);
    const costs = sizes.map((size) => {
      progress(`a site of ${size}`);
      return { size, cost: live(size) };
    });
    const [smallest] = costs;
    return Promise.resolve(
      smallest === undefined ? [] : costs.flatMap(({ size, cost }) => metricsOf(size, cost, smallest)),
    );
  },
};

/** Bytes that an agent sends, mean of all, until so long after the event. */
type Cost = { readonly [event: string]: number };

function metricsOf(
  size: number,
  cost: Cost,
  smallest: { readonly size: number; readonly cost: Cost },
): Metric[] {
  return Object.entries(cost).map(([event, bytes]) => {
    const goal = ((growthMax * size) / smallest.size) * (smallest.cost[event] ?? 0);
    const name = `${size} nodes: ${event}`;
    if (size === smallest.size)
      return { name, value: Math.round(bytes) / 1_000, unit: "kB an agent", goal: "none", ok: true };
    return atMost(name, bytes / 1_000, "kB an agent", Math.round(goal / 100) / 10);
  });
}

function live(size: number): Cost {
  const world = new World(
    1,
    [{ site: "one", region: "one", nodes: size }],
    nodeConfigOf(configDefaults),
    new Trace(undefined, false),
    { sharing: true },
  );
  const { machines, network } = world;
  for (const [at, machine] of machines.entries()) world.at(50 * at, () => machine.startAgent());
  world.run(startMs);
  const during = (seconds: number, strike: () => void): number => {
    const before = network.bytes;
    strike();
    world.run(world.now + 1_000 * seconds);
    return (network.bytes - before) / size;
  };
  const [last, other] = machines.slice(-2) as [Machine, Machine];
  const half = machines.slice(0, size / 2);
  return {
    "idle for a minute": during(60, () => {}),
    "an agent is killed, 10 s": during(10, () => last.killAgent()),
    "it starts again, 60 s": during(60, () => last.startAgent()),
    "a cable is pulled, 10 s": during(10, () => cut(world, [other])),
    "it is plugged in, 60 s": during(60, () => mend(world, [other])),
    "cut into halves, 60 s": during(60, () => cut(world, half)),
    "joined again, 2 s": during(2, () => mend(world, half)),
    "the minute after": during(60, () => {}),
  };
}
