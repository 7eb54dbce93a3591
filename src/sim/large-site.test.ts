import assert from "node:assert/strict";
import { test } from "node:test";
import { votersOfMany } from "../core/node/electorates.ts";
import { rollOn } from "./exclusive-checks.ts";
import { simConfig } from "./run-seed.ts";
import { upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

test("in a site of 34, whose nodes have no links with each other, the first 9 vote: an exclusive pod runs, and again elsewhere", () => {
  const world = new World(3, [{ site: "oslo", region: "north", nodes: 34 }], simConfig, new Trace(), {
    detail: "site",
    sharing: true,
    settled: () => true,
  });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  world.run(40_000);
  const [first] = world.machines;
  const last = world.machines.at(-1);
  assert.ok(first !== undefined && last !== undefined);
  const annotations = { "starlight.dev/placement": "perSite" };
  upsert(first, workloadRef("StatefulSet", "db"), workload("StatefulSet", "db", 1, { annotations }));
  const hosts = () => world.machines.filter(({ pods }) => pods.size > 0);
  world.run(60_000);
  const [host, ...others] = hosts();
  assert.ok(host !== undefined && others.length === 0);
  assert.equal(rollOn(last, "site/oslo")?.voters.length, votersOfMany);
  host.powerOff();
  world.run(120_000);
  const up = hosts().filter(({ state }) => state === "up");
  assert.equal(up.length, 1);
  assert.deepEqual(world.violations, []);
});
