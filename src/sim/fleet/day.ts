import { between, shuffled } from "../../core/kernel/random.ts";
import type { Machine } from "../machine.ts";
import { gatherAll, type Shard } from "../shard.ts";
import { disagreement, unspread } from "./agreement.ts";
import { createFleet, siteOf, type Fleet, type FleetOptions } from "./fleet.ts";
import { forecast, type Strike, type StrikeType } from "./forecast.ts";
import { holds, keepNotes, type Notes } from "./notes.ts";
import { planRosterChanges } from "./roster-changes.ts";
import { saidSoFar } from "./said.ts";
import { stateOf, type StateReport } from "./state-law.ts";
import { meterTraffic, type Meter, type Traffic } from "./traffic.ts";
import { watchFleet, type Watch } from "./watch.ts";
import { playWeather, prepareDisks } from "./weather.ts";

/**
 * A day in the life of a fleet: the power comes back everywhere, a quiet minute, the weather with joins and
 * leaves and writes, calm until all agree, a region cut in half with writes on both sides, and the heal.
 */

export type DayOptions = FleetOptions & {
  readonly weatherMs: number;
  /** So many times as fast as in life faults come; those of a whole day within `weatherMs` when it is missing. */
  readonly pace?: number | undefined;
  readonly cutMs: number;
  /** All must agree so long after the weather, and after the heal. */
  readonly calmMaxMs: number;
};

export type PhaseName = "power returns" | "steady" | "weather" | "calm" | "cut in half" | "healed";

export type Phase = Traffic & { readonly name: PhaseName; readonly virtualMs: number };

/** From the end of the trouble on; undefined where it did not come true in time. */
export type Healing = {
  /** Until all writes and ends of memberships are everywhere. */
  readonly spreadMs: number | undefined;
  readonly agreedMs: number | undefined;
  /** What differed last. */
  readonly last: string;
};

export type Day = {
  readonly violations: readonly string[];
  readonly phases: readonly Phase[];
  readonly strikes: { readonly [type in StrikeType]: number };
  readonly joined: number;
  readonly gone: number;
  readonly notes: number;
  readonly afterWeather: Healing;
  readonly afterCut: Healing;
  readonly state: StateReport;
  readonly told: { readonly [reason: string]: number };
};

/** Power returns to all sites within this, and to the nodes of one site within a second. */
const startMs = 5_000;
/** Until then the heal reports about the power cut are out. */
const settledMs = 95_000;
const steadyMs = 60_000;
const windowMs = 10_000;
/** Calm is looked at for so long at least. */
const calmMinMs = 30_000;
/** How often it is asked whether all agree. */
const pollMs = 1_000;
const notesInSteady = 6;
const notesInWeather = 12;
const notesOnEachSide = 3;
/** No node sends more than this over any ten seconds. */
export const bytesPerSecondMax = 100_000;

/** Who looks on: at the end of each phase, every ten virtual seconds, and every one. */
export type Witness = {
  readonly ended?: (phase: Phase) => void;
  readonly passed?: (fleet: Fleet) => void;
  readonly looked?: (fleet: Fleet) => void;
};

/** @param shard All shards live the same day, each with its own machines; what they return is the same, too. */
export function liveADay(options: DayOptions, witness: Witness = {}, shard?: Shard): Day {
  const fleet = createFleet(options, shard);
  const { world, random } = fleet;
  const half = halfOfRegion(fleet);
  const weather = forecast(random, groundOf(fleet), options.weatherMs, options.pace);
  const inCut = restartsDuring(fleet, half, options.cutMs);
  prepareDisks(fleet, [...weather, ...inCut]);
  const course: Course = {
    fleet,
    notes: keepNotes(fleet),
    watch: watchFleet(fleet),
    meter: meterTraffic(fleet),
    phases: [],
    witness,
  };
  startAll(fleet);
  pass(course, "power returns", settledMs);

  writeNotes(course, [...fleet.members], notesInSteady, steadyMs / 2);
  pass(course, "steady", steadyMs);

  const before = fleet.members.size;
  playWeather(fleet, weather, world.now);
  planRosterChanges(fleet, world.now, options.weatherMs, options.pace);
  writeNotes(course, world.machines, notesInWeather, options.weatherMs);
  pass(course, "weather", options.weatherMs);
  const afterWeather = agree(course, "calm", options.calmMaxMs);

  const wall = world.network.wallIn(half.map(({ host }) => host));
  playWeather(fleet, inCut, world.now);
  const inside = new Set(half);
  const outside = world.machines.filter((machine) => !inside.has(machine));
  const sides = [half, outside].map((side) => ({ side, names: new Set<string>() }));
  for (const { side, names } of sides)
    writeNotes(course, side, notesOnEachSide, options.cutMs / 2, (name) => names.add(name));
  pass(course, "cut in half", options.cutMs);
  for (const { side, names } of sides) goesOn(fleet, side, names);
  world.network.lower(wall);
  const afterCut = agree(course, "healed", options.calmMaxMs);

  const notes = course.notes.acknowledged().size;
  const state = stateOf(fleet, notes);
  return {
    violations: violationsOf(fleet),
    phases: course.phases,
    strikes: countByType(weather),
    joined: fleet.members.size + fleet.gone.size - before,
    gone: fleet.gone.size,
    notes,
    afterWeather,
    afterCut,
    state,
    told: course.watch.told(),
  };
}

type Course = {
  readonly fleet: Fleet;
  readonly notes: Notes;
  readonly watch: Watch;
  readonly meter: Meter;
  readonly phases: Phase[];
  readonly witness: Witness;
};

/** Of all shards, as they happened; what several saw once. */
function violationsOf({ world, shard }: Fleet): readonly string[] {
  const seen = new Set(gatherAll(shard, world.violations));
  const secondsOf = (what: string): number => Number.parseFloat(what.slice("at ".length));
  return [...seen].sort((left, right) => secondsOf(left) - secondsOf(right));
}

function startAll({ world, random, members, machinesBySite }: Fleet): void {
  for (const machines of machinesBySite.values()) {
    const from = random() * (startMs - 1_000);
    for (const machine of machines)
      if (members.has(machine)) world.at(from + random() * 1_000, () => machine.startAgent());
  }
}

/** Lets time pass, looking on. */
function pass(course: Course, name: PhaseName, forMs: number): void {
  const { world } = course.fleet;
  const from = world.now;
  for (let until = from; until < from + forMs;) {
    until = Math.min(from + forMs, until + windowMs);
    while (world.now < until) step(course, until - world.now);
    look(course);
  }
  endPhase(course, name, from);
}

/** A second, or less where that is the rest. */
function step({ fleet, witness }: Course, restMs = pollMs): void {
  fleet.world.run(fleet.world.now + Math.min(pollMs, restMs));
  witness.passed?.(fleet);
}

function look({ fleet, watch, meter, witness }: Course): void {
  watch.nobodyForgotten();
  meter.sample(bytesPerSecondMax);
  witness.looked?.(fleet);
}

function endPhase({ fleet, meter, phases, witness }: Course, name: PhaseName, from: number): void {
  const phase = { name, virtualMs: fleet.world.now - from, ...meter.read() };
  phases.push(phase);
  witness.ended?.(phase);
}

/** Lets time pass until all agree; that they do not in time is a violation. */
function agree(course: Course, name: PhaseName, maxMs: number): Healing {
  const { fleet, notes } = course;
  const { world } = fleet;
  const from = world.now;
  const said = saidSoFar(fleet);
  const wait = (): void => {
    step(course);
    if ((world.now - from) % windowMs === 0) look(course);
  };
  let last = "";
  const until = (differs: () => string | undefined): number | undefined => {
    for (let what = differs(); what !== undefined; what = differs()) {
      last = what;
      if (world.now - from >= maxMs) {
        world.violated(`after ${maxMs / 1_000} s of calm ${what}`);
        return undefined;
      }
      wait();
    }
    return world.now - from;
  };
  const spreadMs = until(() => unspread(fleet, notes));
  const agreedMs = until(() => disagreement(fleet, notes, said));
  while (world.now - from < calmMinMs) wait();
  endPhase(course, name, from);
  return { spreadMs, agreedMs, last };
}

/** Members write notes, spread over a time; cut off or not, each a running one. */
function writeNotes(
  { fleet, notes }: Course,
  among: readonly Machine[],
  count: number,
  overMs: number,
  written: (name: string) => void = () => {},
): void {
  const { world, random, members } = fleet;
  for (let note = 0; note < count; note++) {
    world.at(world.now + ((note + 0.5) * overMs) / count, () => {
      const author = shuffled(random, among).find(
        (machine) => members.has(machine) && machine.state === "up",
      );
      written(notes.write(author));
    });
  }
}

/** Half of the sites of the region in the middle, cut off from its other half and from everybody else. */
function halfOfRegion(fleet: Fleet): readonly Machine[] {
  const { sitesByRegion } = fleet;
  const sites = sitesByRegion[sitesByRegion.length >> 1] ?? [];
  return sites.slice(0, sites.length >> 1).flatMap((site) => siteOf(fleet, site));
}

/** One machine in fifty reboots while it is cut off, and is there again before the heal. */
function restartsDuring({ random }: Fleet, half: readonly Machine[], cutMs: number): readonly Strike[] {
  return shuffled(random, half)
    .slice(0, Math.ceil(half.length / 50))
    .map(({ host }) => ({
      type: "reboot",
      host,
      at: Math.round(between(random, 0.1, 0.4) * cutMs),
      forMs: Math.round(0.2 * cutMs),
    }));
}

/** 7. Each side of a cut goes on: what is written there is held by all of it. */
function goesOn({ world, members }: Fleet, side: readonly Machine[], names: ReadonlySet<string>): void {
  for (const machine of side.filter((each) => each.isOurs && members.has(each))) {
    const missing = [...names].find((name) => !holds(machine, name));
    if (missing !== undefined)
      world.violated(`7: ${machine.name} does not hold ${missing}, written on its side of the cut`);
  }
}

function groundOf({ world, members, lateSites, cellularSites, machinesBySite }: Fleet) {
  const late = new Set(lateSites);
  const sites = [...machinesBySite.keys()].filter((site) => !late.has(site));
  const hosts = world.machines.filter((machine) => members.has(machine)).map(({ host }) => host);
  return { sites, cellular: cellularSites, hosts };
}

function countByType(strikes: readonly Strike[]): Day["strikes"] {
  const counts = {
    "site-cut-off": 0,
    "uplink-flaps": 0,
    "power-cut": 0,
    reboot: 0,
    "agent-restart": 0,
    stall: 0,
  };
  for (const { type } of strikes) counts[type]++;
  return counts;
}
