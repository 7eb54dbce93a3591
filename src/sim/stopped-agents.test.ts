import assert from "node:assert/strict";
import { test } from "node:test";
import { simConfig } from "./run-seed.ts";
import { upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Agents that are stopped, as at an upgrade: they say so, and what they run goes on. */

function fleet() {
  const layout = [
    { site: "oslo", region: "north", nodes: 3 },
    { site: "bern", region: "south", nodes: 2 },
  ];
  const world = new World(3, layout, simConfig, new Trace());
  const moves: string[] = [];
  world.observers.push({
    podStarted: ({ name }) => moves.push(`+${name}`),
    podStopping: ({ name }) => moves.push(`-${name}`),
  });
  for (const machine of world.machines) machine.startAgent();
  world.run(15_000);
  const [asked, stopped] = world.machines;
  assert(asked !== undefined && stopped !== undefined);
  upsert(asked, workloadRef("Deployment", "shop"), workload("Deployment", "shop", 10));
  world.run(30_000);
  assert.ok(moves.length >= 10);
  moves.splice(0);
  return { world, moves, stopped, seenBy: (at: number) => verdictAt(world, at, stopped.identity.id) };
}

const verdictAt = (world: World, at: number, id: string): string | undefined =>
  world.machines[at]?.node?.view.member(id)?.evidence.verdict;

test("agents upgraded one after the other, each 8 s away, move nothing, and nobody holds one for lost", () => {
  const { world, moves, seenBy } = fleet();
  for (const machine of world.machines) {
    machine.stopAgent();
    for (let second = 1; second <= 8; second++) {
      world.run(world.now + 1_000);
      for (const at of [0, 2, 3, 4])
        if (world.machines[at]?.node !== undefined && machine === world.machines[1])
          assert.equal(seenBy(at), "alive");
    }
    machine.startAgent();
    world.run(world.now + 12_000);
  }
  assert.deepEqual(moves, []);
});

test("of two nodes the one that restarts its agent for 8 s is held for alive by the other all the time", () => {
  const world = new World(3, [{ site: "oslo", region: "north", nodes: 2 }], simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(15_000);
  const [, stopped] = world.machines;
  assert(stopped !== undefined);
  stopped.stopAgent();
  for (let second = 1; second <= 8; second++) {
    world.run(world.now + 1_000);
    assert.equal(verdictAt(world, 0, stopped.identity.id), "alive", `after ${second} s`);
  }
});

test("an agent that said it would be back and is not is dead after 10 s, and its copies run elsewhere", () => {
  const { world, moves, stopped, seenBy } = fleet();
  const held = stopped.pods.size;
  assert.ok(held > 0);
  stopped.stopAgent();
  world.run(world.now + 9_500);
  assert.equal(seenBy(0), "alive");
  assert.equal(moves.length, 0);
  world.run(world.now + 1_000);
  assert.equal(seenBy(0), "dead");
  assert.equal(seenBy(4), "dead");
  for (const { node } of world.machines.filter((machine) => machine !== stopped))
    assert.equal(node?.view.members().length, 5, "whoever is dead is a member all the same");
  world.run(world.now + 2_000);
  assert.equal(moves.filter((move) => move.startsWith("+")).length, held);
});

test("a machine that loses its power while its agent restarts is lost to its site after those 10 s as well", () => {
  const { world, moves, stopped, seenBy } = fleet();
  const held = stopped.pods.size;
  stopped.stopAgent();
  world.run(world.now + 500);
  stopped.powerOff();
  world.run(world.now + 13_000);
  assert.notEqual(seenBy(0), "alive");
  assert.equal(moves.filter((move) => move.startsWith("+")).length, held);
});
