import assert from "node:assert/strict";
import { test } from "node:test";
import { versionAt } from "../core/kernel/hybrid-clock.ts";
import { storedBytes } from "../core/records/seal.ts";
import { revocation } from "./roster.ts";
import { simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** A node that is no longer a member, and whose process runs on. */

function started(): World {
  const world = new World(3, [{ site: "oslo", region: "north", nodes: 3 }], simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(10_000);
  return world;
}

function assertQuiet(world: World): void {
  const [first, , last] = world.machines;
  world.run(world.now + 5_000);
  const sent = world.network.sentBy(last?.host ?? 0);
  world.run(world.now + 60_000);
  assert.deepEqual(world.violations, []);
  assert.ok(world.network.sentBy(last?.host ?? 0) <= sent + 1_000, "it says less than 1 kB in a minute");
  assert.equal(first?.node?.view.members().length, 2);
}

test("a node that has left and runs on does not wake without end, and sends less than 1 kB a minute", () => {
  const world = started();
  world.machines.at(-1)?.deliver({ type: "leave", reason: "sold" });
  assertQuiet(world);
});

test("a node that was revoked and runs on does not wake without end, and sends less than 1 kB a minute", () => {
  const world = started();
  const [first, , last] = world.machines;
  assert(first !== undefined && last !== undefined);
  const version = versionAt(Math.floor(world.trueTime()));
  const record = revocation(last, "stolen", version, world.crypto);
  first.deliver({ type: "enrolled", frame: storedBytes(record, world.crypto) });
  assertQuiet(world);
});
