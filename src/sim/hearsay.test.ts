import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { cut, mend, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** What a node on a slow link says of others may be minutes old when one meets it. */

const ref = workloadRef("Deployment", "shop");
const running = ({ pods }: Machine): number => [...pods.values()].filter(({ ready }) => ready).length;

/**
 * Three machines in a site, and a ship. The last of the site was alone and runs what it lost; now it meets the
 * ship, which has lost the site and does not know yet.
 */
function meeting() {
  const layout = [
    { site: "oslo", region: "north", nodes: 3 },
    {
      site: "ship",
      region: "north",
      nodes: 1,
      uplink: { uplink: "satellite", uplinkBytesPerSecond: 0, uplinkBytesPerDay: 0 },
    },
  ] as const;
  const world = new World(3, layout, simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(10_000);
  upsert(
    world.machines[0] as Machine,
    ref,
    workload("Deployment", "shop", 1, { annotations: { "starlight.dev/lost-after": "5s" } }),
  );
  // Facts reach the ship with comparisons, which are minutes apart.
  world.run(600_000);
  const first = world.machines.find((machine) => running(machine) === 1);
  const [ship] = world.machines.slice(3);
  const others = world.machines.slice(0, 3).filter((machine) => machine !== first);
  const [other, alone] = others;
  assert.ok(first !== undefined && other !== undefined && alone !== undefined && ship !== undefined);
  assert.notEqual(first, ship);
  return { world, site: [first, other], first, alone, ship };
}

test("a copy does not end for one that a ship tells of, which would miss its node only minutes later", () => {
  const { world, site, first, alone, ship } = meeting();
  cut(world, [alone]);
  // It goes by its own link with the ship until it misses that.
  world.run(world.now + 300_000);
  assert.equal(running(alone), 1);
  cut(world, [ship], site);
  first.powerOff();
  world.run(world.now + 5_000);
  mend(world, [alone], [ship]);
  for (const end = world.now + 60_000; world.now < end;) {
    world.run(world.now + 500);
    assert.equal(running(alone), 1, `at ${world.now} ms`);
  }
});

test("in plain view of the site surplus copies end after the quiet period, also in sight of a ship", () => {
  const { world, alone } = meeting();
  cut(world, [alone]);
  // It goes by its own link with the ship until it misses that.
  world.run(world.now + 300_000);
  const copies = (): number => world.machines.reduce((sum, machine) => sum + running(machine), 0);
  assert.equal(copies(), 2);
  mend(world, [alone]);
  world.run(world.now + simConfig.quietPeriod + 10_000);
  assert.equal(copies(), 1);
});

test("who hears of the site from the ship first, and from itself a moment later, waits no longer than for the site", () => {
  const { world, site, alone, ship } = meeting();
  cut(world, [alone]);
  world.run(world.now + 300_000);
  cut(world, [ship], site);
  world.run(world.now + 2_000);
  mend(world, [alone], [ship]);
  world.run(world.now + 10_000);
  const copies = (): number => world.machines.reduce((sum, machine) => sum + running(machine), 0);
  assert.equal(copies(), 2);
  mend(world, [alone], site);
  world.run(world.now + simConfig.quietPeriod + 10_000);
  assert.equal(copies(), 1);
});
