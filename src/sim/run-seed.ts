import type { NodeConfig } from "../core/node/contract.ts";
import { between } from "../core/kernel/random.ts";
import type { Detail } from "../core/records/scope.ts";
import { Checks } from "./checks.ts";
import { endFaults, plantFaults } from "./faults.ts";
import { slowest, watchBudgets, withUplinks } from "./budgets.ts";
import { watchPromises } from "./promises.ts";
import { Trace } from "./trace.ts";
import { Users } from "./users.ts";
import { World, type Layout } from "./world.ts";

export type SeedOptions = {
  readonly seed: number;
  readonly nodes: number;
  /** Virtual length of the stormy part, in ms. */
  readonly stormMs: number;
  /** Virtual time that everything has to come right afterwards, in ms. */
  readonly calmMs: number;
  /** How far detail travels; everywhere when missing. */
  readonly detail?: Detail | undefined;
  /** Sites of equal size instead of a mixture, and the regions that they are dealt out to. */
  readonly sites?: number | undefined;
  readonly regions?: number | undefined;
  readonly print?: ((line: string) => void) | undefined;
};

export type SeedResult = {
  readonly seed: number;
  readonly violations: readonly string[];
  /** The same for every run of this seed. */
  readonly digest: string;
  readonly frames: number;
  readonly bytes: number;
};

/** No two clocks agree, also in fair weather. */
const clockErrorMax = 30_000;
/** Tombstones go once summaries of sites, then of regions, have said that everybody has them. */
const summariesTake = 60_000;

export const simConfig: NodeConfig = {
  pingEvery: 1_000,
  silentAfter: 3_000,
  redialMax: 5_000,
  compareEvery: 5_000,
  bootSettle: 500,
  claimDelay: 250,
  quietPeriod: 8_000,
  lostAfter: 10_000,
  leaseFor: 4_000,
  lostBySiteAfter: 600,
  pressureHold: 20_000,
  driftMax: 600_000,
  uplink: "lan",
  uplinkBytesPerSecond: 0,
  uplinkBytesPerDay: 0,
  tombstoneEvery: 5_000,
  keepDeleted: 2_000,
  absentLong: 30 * 86_400_000,
};

/** One life of a small fleet: a storm in which nothing wrong may happen, then calm in which all comes right. */
export function runSeed(options: SeedOptions): SeedResult {
  const trace = new Trace(options.print);
  const { sites, regions, detail } = options;
  const layout =
    sites === undefined
      ? withUplinks(layoutOf(options.nodes), options.seed)
      : evenLayout(options.nodes, sites, regions ?? 2);
  const world = new World(options.seed, layout, simConfig, trace, { detail });
  const users = new Users(world);
  const checks = new Checks(world, users);
  watchPromises(world);
  watchBudgets(world);
  const random = world.random("script");
  for (const machine of world.machines) {
    machine.skew = between(random, -clockErrorMax, clockErrorMax);
    world.at(between(random, 0, 800), () => machine.startAgent());
  }
  const stormEnd = 5_000 + options.stormMs;
  plantFaults(world, 5_000, stormEnd, 5_000);
  for (let at = 1_500; at < stormEnd; at += between(random, 0, 5_000)) world.at(at, () => users.act());
  world.run(stormEnd);
  trace.add(world.now, "PHASE", "the storm is over");
  endFaults(world);
  const calmSince = world.now;
  world.run(calmSince + options.calmMs + slowest(layout) + (detail === undefined ? 0 : summariesTake));
  checks.atEnd(calmSince);
  const { frames, bytes } = world.network;
  return { seed: options.seed, violations: world.violations, digest: trace.digest, frames, bytes };
}

/** Nodes dealt out to so many sites, sites to so many regions, as evenly as it goes. */
export function evenLayout(nodes: number, sites: number, regions: number): Layout {
  return Array.from({ length: sites }, (_, at) => ({
    site: `site-${at}`,
    region: `region-${Math.floor((at * regions) / sites)}`,
    nodes: Math.floor(((at + 1) * nodes) / sites) - Math.floor((at * nodes) / sites),
  }));
}

/** Nodes dealt out to sites of 1 to 4, sites to two regions, the same for every seed. */
export function layoutOf(nodes: number): Layout {
  const names = ["oslo", "bern", "lima", "cairo", "quito", "delhi", "tokyo", "perth", "accra", "miami"];
  const sizes = [3, 2, 4, 1];
  const layout: { site: string; region: string; nodes: number }[] = [];
  for (let left = nodes, at = 0; left > 0; at++) {
    const size = Math.min(left, sizes[at % sizes.length] ?? 1);
    const name = `${names[at % names.length] ?? "site"}${at < names.length ? "" : String(at)}`;
    layout.push({ site: name, region: at % 2 === 0 ? "north" : "south", nodes: size });
    left -= size;
  }
  return layout;
}
