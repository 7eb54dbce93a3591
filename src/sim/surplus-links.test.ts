import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "./machine.ts";
import { evenLayout, simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Links with other places that were needed for a while only: to end one is no loss, and to lose one still is. */

type Loss = { readonly by: Machine; readonly at: number; readonly message: string };

function started(seed: number): World {
  const world = new World(seed, evenLayout(24, 12, 4), simConfig, new Trace(), { detail: "site" });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  return world;
}

/** Every word from now on that somebody is lost. */
function losses(world: World): readonly Loss[] {
  const found: Loss[] = [];
  world.observers.push({
    noted: (by, { reason, message }) => {
      if (reason === "NodeUnreachable" || reason === "NodeDead") found.push({ by, at: world.now, message });
    },
  });
  return found;
}

test("nobody holds a node for lost in 5 minutes in which all 24 nodes of 12 sites in 4 regions run", () => {
  for (const seed of [1, 2, 3]) {
    const world = started(seed);
    const lost = losses(world);
    world.run(300_000);
    assert.deepEqual(
      lost.map(({ by, at, message }) => `${Math.round(at)} ms: ${by.name}: ${message}`),
      [],
      `seed ${seed}`,
    );
  }
});

test("when all 6 nodes of one region of 4 lose their power, each other region holds gateways of it for lost within 10 s", () => {
  const world = started(1);
  world.run(200_000);
  const lost = losses(world);
  const victims = world.machines.filter(({ identity }) => identity.region === "region-0");
  for (const machine of victims) machine.powerOff();
  world.run(210_000);
  const noticed = new Set(lost.map(({ by }) => by.identity.region));
  assert.equal(victims.length, 6);
  assert.deepEqual([...noticed].sort(), ["region-1", "region-2", "region-3"]);
  for (const { message } of lost)
    assert.ok(
      victims.some(({ name }) => message.startsWith(`${name}:`)),
      message,
    );
});
