import assert from "node:assert/strict";
import { test } from "node:test";
import { simConfig } from "./run-seed.ts";
import { cut, mend, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Two nodes of one site that run the shop, and the one of them that runs a copy. */
function running(seed: number) {
  const world = new World(seed, [{ site: "oslo", region: "north", nodes: 2 }], simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  const [machine, other] = world.machines;
  assert.ok(machine !== undefined && other !== undefined);
  upsert(machine, workloadRef("Deployment", "shop"), workload("Deployment", "shop", 2));
  world.run(10_000);
  assert.ok(machine.pods.size > 0);
  return { world, machine, other };
}

test("pods of a node whose database is lost run on: the peers still hold its facts", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, machine, other } = running(seed);
    const before = [...machine.pods.keys()];
    machine.killAgent();
    machine.disk.lose();
    machine.startAgent();
    world.run(40_000);
    assert.deepEqual([...machine.pods.keys()], before, `seed ${seed}`);
    assert.equal(machine.pods.size + other.pods.size, 2);
    assert.deepEqual(world.violations, []);
  }
});

test("while no peer can be asked, they run on as well", () => {
  const { world, machine } = running(1);
  const before = [...machine.pods.keys()];
  machine.killAgent();
  machine.disk.lose();
  cut(world, [machine]);
  machine.startAgent();
  world.run(120_000);
  assert.deepEqual([...machine.pods.keys()], before);
});

test("a pod that no record anywhere knows is stopped once a peer was asked", () => {
  const { world, machine } = running(1);
  const [pod] = machine.pods.values();
  assert.ok(pod !== undefined);
  machine.killAgent();
  machine.pods.set("stray", { ...pod, start: { ...pod.start, uid: "stray" } });
  machine.startAgent();
  world.run(40_000);
  assert.equal(machine.pods.has("stray"), false);
});

test("of three nodes two lose their databases: pods of theirs run on, known to the third alone, which is cut off for 5 s", () => {
  const world = new World(1, [{ site: "oslo", region: "north", nodes: 3 }], simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  const [first, second, third] = world.machines;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  upsert(first, workloadRef("Deployment", "shop"), workload("Deployment", "shop", 6));
  world.run(12_000);
  const losers = [first, second];
  const before = losers.map(({ pods }) => [...pods.keys()]);
  assert.ok(before.every((uids) => uids.length > 0));
  cut(world, [third]);
  for (const machine of losers) {
    machine.killAgent();
    machine.disk.lose();
    machine.startAgent();
  }
  world.run(17_000);
  mend(world, [third]);
  world.run(60_000);
  assert.deepEqual(
    losers.map(({ pods }) => [...pods.keys()]),
    before,
  );
});
