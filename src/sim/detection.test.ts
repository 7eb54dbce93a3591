import assert from "node:assert/strict";
import { test } from "node:test";
import type { Note } from "../core/node/contract.ts";
import { below, between, pick, type Random } from "../core/kernel/random.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { cut, mend, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World, type Layout } from "./world.ts";

/** Who is held dead, and when. `STARLIGHT_SIM_HOURS=24` makes the weather test as long as the promise. */

const minute = 60_000;
const hours = Number(process.env["STARLIGHT_SIM_HOURS"] ?? "0.4");
const seedLengthMs = 6 * minute;

/** As the agent's own defaults. */
const config = {
  ...simConfig,
  pingEvery: 1_600,
  silentAfter: 4_000,
  redialMax: 60_000,
  compareEvery: 15_000,
};
const twoSites: Layout = [
  { site: "oslo", region: "north", nodes: 3 },
  { site: "bern", region: "north", nodes: 1 },
];
const oneSite: Layout = [{ site: "oslo", region: "north", nodes: 5 }];

type Told = { readonly by: Machine; readonly note: Note; readonly at: number };

function started(seed: number, layout: Layout, settleMs = 10_000) {
  const world = new World(seed, layout, config, new Trace());
  const told: Told[] = [];
  const moved: string[] = [];
  world.observers.push({
    noted: (by, note) => void told.push({ by, note, at: world.now }),
    podStarted: (machine) => void moved.push(`${machine.name} starts a pod at ${world.now}`),
    podStopping: (machine) => void moved.push(`${machine.name} stops a pod at ${world.now}`),
  });
  for (const machine of world.machines) machine.startAgent();
  world.run(settleMs);
  return { world, told, moved };
}

const dead = (told: readonly Told[]): string[] =>
  told
    .filter(({ note }) => note.reason === "NodeDead")
    .map(({ by, note, at }) => `${by.name} at ${at}: ${note.message}`);

const verdict = (by: Machine, of: Machine) => by.node?.view.member(of.identity.id)?.evidence.verdict;

/** A service of three copies, so that whatever is done rashly shows. */
function deploy(machine: Machine): void {
  upsert(machine, workloadRef("Deployment", "shop"), workload("Deployment", "shop", 3));
}

/** Stopped agents, pauses, loss and a link that flaps, none of which is a death. */
function plantWeather(world: World, until: number, random: Random): void {
  const [first, second] = world.machines as [Machine, Machine];
  const flaps = below(random, 2) === 0;
  for (let at = world.now; at < until; at += 5_000) {
    const away = flaps && ((at - world.now) / 5_000) % 2 === 0;
    if (away) {
      world.at(at, () => cut(world, [first], [second]));
      world.at(at + 5_000, () => mend(world, [first], [second]));
    }
    const dice = random();
    if (dice < 0.1) world.at(at, () => pick(random, world.machines)?.pause(10_000));
    else if (dice < 0.5) world.at(at, () => pick(random, world.machines)?.pause(between(random, 50, 2_500)));
    else if (dice < 0.6) world.at(at, () => (world.network.lossProbability = 0.2));
    else if (dice < 0.7) world.at(at, () => (world.network.lossProbability = 0.01));
  }
}

test(`stopped agents, pauses, 20 % loss and a flapping link: ${hours} virtual hours without one false dead`, () => {
  for (let seed = 0; seed * seedLengthMs < hours * 60 * minute; seed++) {
    const { world, told } = started(seed, twoSites);
    plantWeather(world, world.now + seedLengthMs, world.random("weather"));
    world.run(world.now + seedLengthMs);
    assert.deepEqual(dead(told), [], `seed ${seed}`);
    assert.deepEqual(world.violations, [], `seed ${seed}`);
    world.network.lossProbability = 0.01;
    world.run(world.now + 2 * minute);
    for (const by of world.machines)
      for (const of of world.machines) assert.equal(verdict(by, of), "alive", `seed ${seed}`);
  }
});

test("an agent that is stopped for 10 s is unreachable to the others meanwhile and finds it out; its pods run on, and only what replaced them ends", () => {
  for (let seed = 0; seed < 10; seed++) {
    const { world, told, moved } = started(seed, oneSite);
    const [first, , , , paused] = world.machines as [Machine, Machine, Machine, Machine, Machine];
    deploy(first);
    world.run(world.now + 10_000);
    moved.length = 0;
    paused.pause(10_000);
    world.run(world.now + 5_000);
    assert.equal(verdict(first, paused), "unreachable");
    world.run(world.now + 20_000);
    for (const by of world.machines) for (const of of world.machines) assert.equal(verdict(by, of), "alive");
    const own = paused.node?.view.member(paused.identity.id)?.evidence.observations ?? [];
    assert.ok(
      own.some(({ what }) => what.startsWith("this process stood still for 10000 ms")),
      JSON.stringify(own),
    );
    assert.deepEqual(dead(told), [], `seed ${seed}`);
    assert.deepEqual(
      moved.filter((line) => line.startsWith(`${paused.name} `)),
      [],
      `seed ${seed}`,
    );
    const [starts, stops] = ["starts", "stops"].map((what) => moved.filter((line) => line.includes(what)));
    assert.equal(starts?.length, stops?.length, `seed ${seed}: ${moved.join()}`);
  }
});

test("a plug that is pulled in a site of 5 is known to all 4 others within 4 s, as unreachable and lost by its site", () => {
  const times: number[] = [];
  for (let seed = 0; seed < 20; seed++) {
    const { world, told } = started(seed, oneSite);
    const [first, second, , , off] = world.machines as [Machine, Machine, Machine, Machine, Machine];
    const from = world.now + seed * 80;
    world.run(from);
    off.powerOff();
    world.run(from + 10_000);
    const lost = told.filter(({ note, at }) => note.reason === "NodeUnreachable" && at >= from);
    assert.equal(lost.length, 4, `seed ${seed}`);
    times.push(Math.max(...lost.map(({ at }) => at)) - from);
    const evidence = first.node?.view.member(off.identity.id)?.evidence;
    assert.equal(evidence?.lostBySite, true);
    assert.ok(evidence.observations.some(({ by }) => by === second.identity.id));
    assert.deepEqual(dead(told), []);
  }
  assert.ok(Math.max(...times) <= 4_000, times.join());
});

for (const [nodes, within, seeds] of [
  [10, 2_500, 5],
  [20, 2_700, 1],
] as const) {
  test(`a plug that is pulled in a site of ${nodes} is known to all others within ${within} ms`, () => {
    for (let seed = 0; seed < seeds; seed++) {
      const { world, told } = started(seed, [{ site: "oslo", region: "north", nodes }], 15_000);
      world.run(world.now + seed * 470);
      const from = world.now;
      world.machines.at(-1)?.powerOff();
      world.run(from + 5_000);
      const lost = told.filter(({ note, at }) => note.reason === "NodeUnreachable" && at >= from);
      assert.equal(lost.length, nodes - 1, `seed ${seed}`);
      const last = Math.max(...lost.map(({ at }) => at)) - from;
      assert.ok(last <= within, `seed ${seed}: ${last} ms`);
      assert.deepEqual(dead(told), []);
    }
  });
}

test("a plug that is pulled 1 s after all 10 agents stood still for 700 ms is known to the others within 3,200 ms", () => {
  for (let seed = 0; seed < 6; seed++) {
    const { world, told } = started(seed, [{ site: "oslo", region: "north", nodes: 10 }], 15_000);
    for (const machine of world.machines) machine.pause(700);
    world.run(world.now + 1_700);
    const from = world.now;
    world.machines.at(-1)?.powerOff();
    world.run(from + 8_000);
    const lost = told.filter(({ note, at }) => note.reason === "NodeUnreachable" && at >= from - 1_700);
    assert.equal(lost.length, 9, `seed ${seed}`);
    const last = Math.max(...lost.map(({ at }) => at)) - from;
    assert.ok(last <= 3_200, `seed ${seed}: ${last} ms`);
  }
});

test("a pulled plug in a site of 2 is unreachable within 5 s, lost by its site as our own interface runs, never dead", () => {
  for (let seed = 0; seed < 10; seed++) {
    const { world, told } = started(seed, [{ site: "oslo", region: "north", nodes: 2 }]);
    const [left, off] = world.machines as [Machine, Machine];
    off.powerOff();
    world.run(world.now + 5_000);
    assert.equal(verdict(left, off), "unreachable");
    world.run(world.now + 5 * minute);
    assert.equal(left.node?.view.member(off.identity.id)?.evidence.lostBySite, true);
    assert.deepEqual(dead(told), []);
  }
});

test("who was off for 67 s while a process ended and another began holds nobody dead by what its disk remembers", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, told } = started(seed, [{ site: "oslo", region: "north", nodes: 5 }]);
    const [one, other] = world.machines;
    assert(one !== undefined && other !== undefined);
    other.killAgent();
    world.run(world.now + 1_100);
    assert.equal(verdict(one, other), "dead");
    one.powerOff();
    world.run(world.now + 300);
    other.startAgent();
    world.run(world.now + 67_000);
    const before = told.length;
    one.powerOn();
    world.run(world.now + 5_000);
    assert.deepEqual(dead(told.slice(before)), [], `seed ${seed}`);
    assert.equal(verdict(one, other), "alive");
  }
});
