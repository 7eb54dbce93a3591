import assert from "node:assert/strict";
import { test } from "node:test";
import { cut as part, fleet, namesAt } from "./comings-testbed.ts";
import { enrolAt, revocation } from "./enrolment.ts";
import { simConfig } from "./run-seed.ts";
import type { Machine } from "./machine.ts";
import { watchPromises } from "./promises.ts";
import { cut, mend, send, statesOf, upsert } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

const year = 365 * 86_400_000;
const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "note" };

function newWorld({ seed = 7, sites = [4] } = {}) {
  const layout = sites.map((nodes, at) => ({ site: `site-${at}`, region: "north", nodes }));
  const world = new World(seed, layout, simConfig, new Trace());
  watchPromises(world);
  const replies: boolean[] = [];
  world.observers.push({ answered: (_machine, _request, reply) => void replies.push(reply.ok) });
  return { world, replies };
}

function write(machine: Machine, key: string, value: string): void {
  const current = machine.node?.view.object(ref)?.value ?? {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "note", namespace: "default" },
  };
  const data = (current as { data?: object }).data ?? {};
  upsert(machine, ref, { ...current, data: { ...data, [key]: value } });
}

const dataAt = (machine: Machine): unknown =>
  (machine.node?.view.object(ref)?.value as { data?: unknown } | undefined)?.data;
const setAside = (world: World): number =>
  world.machines.reduce((sum, { node }) => sum + (node?.view.records().setAside ?? 0), 0);
const first = (world: World): [Machine, Machine] => world.machines.slice(0, 2) as [Machine, Machine];

for (const [name, skew] of [
  ["boots in 1970", -57 * year],
  ["is 10 years behind", -10 * year],
  ["is 10 years ahead", 10 * year],
] as const) {
  test(`a node whose clock ${name} takes part: its writes and those of others stand everywhere`, () => {
    const { world, replies } = newWorld();
    const [wrong, right] = first(world);
    wrong.skew = skew;
    for (const machine of world.machines) machine.startAgent();
    world.run(10_000);
    write(wrong, "a", "1");
    world.run(11_000);
    write(right, "b", "2");
    world.run(12_000);
    write(wrong, "b", "3");
    world.run(40_000);
    assert.deepEqual(replies, [true, true, true]);
    for (const machine of world.machines) assert.deepEqual(dataAt(machine), { a: "1", b: "3" }, machine.name);
    assert.equal(statesOf(world.machines), 1);
    assert.equal(setAside(world), 0);
    assert.deepEqual(world.violations, []);
  });

  test(`what a node whose clock ${name} wrote alone is not lost when it meets the others, nor stuck`, () => {
    const { world, replies } = newWorld();
    const [wrong, right] = first(world);
    wrong.skew = skew;
    cut(world, [wrong]);
    for (const machine of world.machines) machine.startAgent();
    world.run(10_000);
    write(wrong, "alone", "1");
    world.run(12_000);
    write(right, "other", "2");
    world.run(20_000);
    mend(world, [wrong]);
    world.run(60_000);
    assert.deepEqual(replies, [true, true]);
    write(right, "alone", "later");
    world.run(90_000);
    for (const machine of world.machines)
      assert.deepEqual(dataAt(machine), { alone: "later", other: "2" }, machine.name);
    assert.equal(statesOf(world.machines), 1);
    assert.equal(setAside(world), 0);
  });
}

test("a clock that is set right while the agent runs is trusted again at once", () => {
  const { world } = newWorld();
  const [wrong] = first(world);
  wrong.skew = 10 * year;
  for (const machine of world.machines) machine.startAgent();
  world.run(10_000);
  wrong.skew = 0;
  world.run(15_000);
  write(wrong, "a", "1");
  world.run(40_000);
  assert.equal(statesOf(world.machines), 1);
  assert.equal(setAside(world), 0);
  for (const machine of world.machines) assert.deepEqual(dataAt(machine), { a: "1" }, machine.name);
});

test("a clock that is 10 years off stays corrected while one peer is left, and with none", () => {
  const { world } = newWorld();
  const [wrong, right] = first(world);
  wrong.skew = 10 * year;
  for (const machine of world.machines) machine.startAgent();
  world.run(10_000);
  const ahead = (): number => (wrong.node?.view.clocks().wall ?? Number.NaN) - world.trueTime();
  assert.ok(Math.abs(ahead()) < simConfig.driftMax, `${ahead()} ms`);
  const others = world.machines.filter((machine) => machine !== wrong && machine !== right);
  for (const away of [others, [right, ...others]]) {
    part(world, [wrong], away, true);
    world.run(world.now + 30_000);
    write(wrong, "a", `${away.length}`);
    world.run(world.now + 1_000);
    assert.ok(Math.abs(ahead()) < simConfig.driftMax, `${ahead()} ms`);
  }
});

test("one poisoned clock among four moves nobody else's stamps", () => {
  const { world } = newWorld();
  const [wrong, right] = first(world);
  wrong.skew = 10 * year;
  for (const machine of world.machines) machine.startAgent();
  world.run(20_000);
  write(right, "a", "1");
  world.run(30_000);
  const version = right.node?.view.object(ref)?.version ?? 0;
  const aheadMs = version / 4096 + 1_577_836_800_000 - world.trueTime();
  assert.ok(aheadMs < simConfig.driftMax, `${aheadMs}`);
});

test("what a node wrote alone 10 years ahead stands everywhere when its clock is set before it meets the others", () => {
  const { world, replies } = newWorld();
  const [wrong, right] = first(world);
  wrong.skew = 10 * year;
  cut(world, [wrong]);
  for (const machine of world.machines) machine.startAgent();
  world.run(15_000);
  write(wrong, "a", "1");
  world.run(18_000);
  wrong.skew = 0;
  world.run(19_000);
  mend(world, [wrong]);
  world.run(30_000);
  write(right, "b", "2");
  world.run(50_000);
  assert.deepEqual(replies, [true, true]);
  for (const machine of world.machines) assert.deepEqual(dataAt(machine), { a: "1", b: "2" }, machine.name);
  assert.equal(statesOf(world.machines), 1);
  assert.equal(setAside(world), 0);
});

/** What everybody is told as the clocks are put right must not stand in the way of what is written later. */
for (const [what, wrongs] of [
  ["a node", 1],
  ["two nodes of five, behind one time server,", 2],
] as const) {
  test(`what ${what} whose clock was 10 years ahead writes later is taken by all, and nobody says so earlier`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { world, replies } = newWorld({ seed, sites: [1, 1, wrongs + 1] });
      const [one] = first(world);
      const wrong = world.machines.slice(0, wrongs);
      for (const machine of world.machines) machine.startAgent();
      world.run(5_000);
      const brief = { ...ref, name: "brief" };
      upsert(one, brief, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "brief" } });
      write(one, "before", "1");
      world.run(7_000);
      cut(world, wrong);
      for (const machine of wrong) {
        machine.powerOff();
        machine.skew = 10 * year;
      }
      world.run(8_000);
      for (const machine of wrong) machine.powerOn();
      world.run(12_000);
      send(one, { type: "delete", ref: brief, manager: "m", class: "user" });
      if (seed % 2 === 0) write(one, "alone", "2");
      world.run(40_000);
      mend(world, wrong);
      world.run(50_000);
      for (const [at, machine] of world.machines.entries()) {
        write(machine, `again-${at}`, "3");
        world.run(world.now + 1_000);
      }
      world.run(90_000);
      assert.deepEqual(world.violations, [], `seed ${seed}`);
      assert.equal(replies.includes(false), false, `seed ${seed}`);
      for (const machine of world.machines) {
        const again = Object.fromEntries(world.machines.map((_, at) => [`again-${at}`, "3"]));
        const data = { before: "1", ...(seed % 2 === 0 ? { alone: "2" } : {}), ...again };
        assert.deepEqual(dataAt(machine), data, `seed ${seed}: ${machine.name}`);
        assert.equal(
          machine.node?.view.object(brief)?.exists ?? false,
          false,
          `seed ${seed}: ${machine.name}`,
        );
      }
      assert.equal(statesOf(world.machines), 1, `seed ${seed}`);
    }
  });
}

test("a node that boots 10 years ahead takes nobody for gone: what it writes later is taken by all", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { world } = newWorld({ seed });
    const [wrong, right, ...others] = world.machines as [Machine, Machine, ...Machine[]];
    for (const machine of world.machines) machine.startAgent();
    world.run(10_000);
    write(wrong, "a", "1");
    world.run(11_000);
    // Somebody is away, so the deletion is known and nobody may forget it.
    cut(world, others.slice(1));
    send(right, { type: "delete", ref, manager: "m", class: "user" });
    world.run(20_000);
    const held = (wrong.node?.view.records().total ?? 0) > 0;
    wrong.powerOff();
    wrong.skew = 10 * year;
    world.run(21_000);
    wrong.powerOn();
    world.run(25_000);
    write(wrong, "b", "2");
    world.run(26_000);
    assert.ok(held);
    mend(world, others.slice(1));
    world.run(60_000);
    assert.deepEqual(world.violations, [], `seed ${seed}`);
    for (const machine of world.machines)
      assert.deepEqual(dataAt(machine), { b: "2" }, `seed ${seed}: ${machine.name}`);
    assert.equal(statesOf(world.machines), 1, `seed ${seed}`);
  }
});

test("what was deleted and forgotten by a mesh that was 10 years ahead as a whole stays so when its clocks are set right", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world } = newWorld({ seed, sites: [1, 1, 2] });
    const [one, two] = first(world);
    for (const machine of world.machines) machine.startAgent();
    world.run(5_000);
    const brief = { ...ref, name: "brief" };
    upsert(one, brief, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "brief" } });
    write(one, "before", "1");
    world.run(7_000);
    for (const machine of world.machines) machine.skew = 10 * year;
    world.run(9_000);
    send(one, { type: "delete", ref: brief, manager: "m", class: "user" });
    world.run(40_000);
    for (const machine of world.machines)
      assert.equal(machine.node?.view.records().tombstones, 0, `seed ${seed}: ${machine.name}`);
    // One by one: each is far from the others for a moment, or they are from it.
    for (const machine of world.machines) {
      machine.skew = 0;
      world.run(world.now + 300);
    }
    world.run(world.now + 2_000);
    write(one, "after", "2");
    upsert(two, brief, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "brief" } });
    world.run(world.now + 2_000);
    cut(world, [two]);
    send(one, { type: "delete", ref: brief, manager: "m", class: "user" });
    world.run(world.now + 20_000);
    mend(world, [two]);
    world.run(world.now + 40_000);
    assert.deepEqual(world.violations, [], `seed ${seed}`);
    for (const machine of world.machines) {
      assert.deepEqual(dataAt(machine), { before: "1", after: "2" }, `seed ${seed}: ${machine.name}`);
      assert.equal(machine.node?.view.object(brief)?.exists ?? false, false, `seed ${seed}: ${machine.name}`);
    }
    assert.equal(statesOf(world.machines), 1, `seed ${seed}`);
  }
});

test("who was revoked 10 years ahead, by one whom another believed, is gone everywhere when the clocks are right", () => {
  const world = fleet(6, 6);
  const [enroller, believer, victim, ...others] = world.machines as [Machine, Machine, Machine, ...Machine[]];
  const wrong = [enroller, believer];
  cut(world, wrong);
  for (const machine of wrong) {
    machine.powerOff();
    machine.skew = 10 * year;
    machine.powerOn();
  }
  world.run(world.now + 3_000);
  enrolAt(world, enroller, revocation(world, enroller, victim.identity.id));
  world.run(world.now + 10_000);
  mend(world, wrong);
  world.run(world.now + 60_000);
  const members = [enroller, believer, ...others];
  for (const machine of members)
    assert.deepEqual(namesAt(machine), members.map(({ name }) => name).sort(), machine.name);
  assert.equal(statesOf(members), 1);
});
