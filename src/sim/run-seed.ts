import type { NodeConfig } from "../core/node/contract.ts";
import { between } from "../core/kernel/random.ts";
import { regionEvery, siteEvery } from "../core/node/summaries.ts";
import type { Detail } from "../core/records/scope.ts";
import { Checks } from "./checks.ts";
import { Comings, withNewcomers } from "./comings.ts";
import { endFaults, plantFaults } from "./faults.ts";
import { slowest, watchBudgets, withUplinks } from "./budgets.ts";
import { watchDeaths } from "./deaths.ts";
import { watchPromises } from "./promises.ts";
import { clockErrorMax } from "./torn.ts";
import { Trace } from "./trace.ts";
import { Users } from "./users.ts";
import { Work } from "./work.ts";
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
  /** Areas that those regions stand in. */
  readonly areas?: number | undefined;
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

/**
 * Where detail stays in places, a place says in its summary what it has heard of: within `siteEvery` of its
 * last one, which time a region's speaker needs twice more to see it, after the `regionEvery` that it waits
 * for others of its places; each up to a tenth longer, and once more for each region around it. That is one round. A
 * copy that another place is to have needs two: it starts there, and is heard of. A deleted object needs three: all know it; all have dropped
 * what others wrote of it; all have dropped the deletion. Where members come and go until the storm ends,
 * places count anew and others speak for them: one more.
 */
const placementRounds = 2;
const deletionRounds = 4;
const roundTakes = (config: NodeConfig, depth: number): number =>
  2 * config.tombstoneEvery + 1.1 * siteEvery + depth * (2 * 1.1 * siteEvery + regionEvery);
/** Out of step with all that nodes do every so often. */
const lookEvery = 1_700;
/** What the weather left behind is put right by then, and nothing excuses what happens later. */
const settles = 12_000;
/** What is deleted is forgotten by then. */
const forgets = 20_000;

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
  const { sites, regions, areas = 0, detail = "mesh" } = options;
  const members =
    sites === undefined
      ? withUplinks(layoutOf(options.nodes), options.seed)
      : evenLayout(options.nodes, sites, regions ?? 2, areas);
  const layout = withNewcomers(members, options.seed);
  const world = new World(options.seed, layout, simConfig, trace, { detail, enrollers: true });
  const comings = new Comings(world);
  const users = new Users(world);
  const checks = new Checks(world, users);
  watchDeaths(world, 19);
  const work = new Work(world, slowest(layout));
  watchPromises(world);
  watchBudgets(world);
  const random = world.random("script");
  for (const machine of world.machines) {
    // No two clocks agree, also in fair weather.
    machine.skew = between(random, -clockErrorMax, clockErrorMax);
    world.at(between(random, 0, 800), () => machine.startAgent());
  }
  const stormEnd = 5_000 + options.stormMs;
  plantFaults(world, 5_000, stormEnd, 5_000);
  comings.plan(5_000, stormEnd);
  for (let at = 1_500; at < stormEnd; at += between(random, 0, 5_000)) world.at(at, () => users.act());
  work.plan(1_500, stormEnd);
  world.run(stormEnd);
  trace.add(world.now, "PHASE", "the storm is over");
  comings.end();
  endFaults(world);
  const calmSince = world.now;
  const settledAt = calmSince + slowest(layout) + settles;
  const round = detail === "mesh" ? 0 : roundTakes(simConfig, areas > 0 ? 2 : 1);
  const calmEnd = calmSince + slowest(layout) + Math.max(options.calmMs, placementRounds * round);
  work.planCalm(settledAt, calmEnd - slowest(layout) - forgets);
  world.run(calmEnd);
  const patience = slowest(layout) + Math.max(forgets, deletionRounds * round);
  untilQuiet(world, { checks, work }, patience, options.calmMs);
  checks.atEnd(settledAt);
  work.atEnd();
  const { frames, bytes } = world.network;
  return { seed: options.seed, violations: world.violations, digest: trace.digest, frames, bytes };
}

/**
 * Jobs run to their end and are deleted when their time has come, and copies move to where room comes free, also
 * now. So there is time from when a job was last seen to go on, or something to be deleted or forgotten, and all
 * of it comes to an end.
 */
function untilQuiet(
  world: World,
  { checks, work }: { readonly checks: Checks; readonly work: Work },
  patience: number,
  longest: number,
): void {
  const latest = world.now + patience + longest;
  let until = world.now + patience;
  let before: ReadonlySet<string> = new Set();
  for (;;) {
    const { words, deletions } = checks.underWay();
    const left = new Set([...deletions, ...work.underWay()]);
    if (left.size !== before.size || [...left].some((each) => !before.has(each)))
      until = world.now + patience;
    before = left;
    if ((!words && left.size === 0) || world.now >= Math.min(until, latest)) return;
    world.run(world.now + lookEvery);
  }
}

/** Nodes dealt out to so many sites, sites to so many regions, those to areas if there are any, as evenly as it goes. */
export function evenLayout(nodes: number, sites: number, regions: number, areas = 0): Layout {
  const regionOf = (site: number): string => {
    const region = Math.floor((site * regions) / sites);
    return `${areas > 0 ? `area-${Math.floor((region * areas) / regions)}.` : ""}region-${region}`;
  };
  return Array.from({ length: sites }, (_, at) => ({
    site: `site-${at}`,
    region: regionOf(at),
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
