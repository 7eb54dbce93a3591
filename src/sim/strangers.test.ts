import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { cut, mend, statesOf, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Days are minutes here: members that were not heard of for one are not waited for. */
const config = { ...simConfig, absentLong: 60_000, tombstoneEvery: 1_000, lostAfter: 5_000 };
const shopRef = workloadRef("Deployment", "shop");
const noteRef = { group: "", kind: "ConfigMap", namespace: "default", name: "note" };
const shop = (replicas: number) => workload("Deployment", "shop", replicas);
const note = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "note", namespace: "default" },
  data: { by: "stranger" },
};

/** Four nodes that ran six copies while one of them, the last, was there to see it; then it was cut off. */
function apart(seed: number) {
  const world = new World(seed, [{ site: "oslo", region: "north", nodes: 4 }], config, new Trace());
  const [first, , , stranger] = world.machines as [Machine, Machine, Machine, Machine];
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  upsert(first, shopRef, shop(6));
  world.run(12_000);
  cut(world, [stranger]);
  return { world, first, stranger };
}

const tombstones = (world: World): number[] =>
  world.machines.map(({ node }) => node?.view.records().tombstones ?? -1);
const podsOf = (machine: Machine, of: Machine): string[] =>
  (machine.node?.view.pods() ?? []).filter(({ node }) => node === of.identity.id).map(({ uid }) => uid);

test("deletions wait for a member that is away, and are not forgotten before it has them", () => {
  const { world, first, stranger } = apart(3);
  world.run(20_000);
  upsert(first, shopRef, shop(1));
  world.run(50_000);
  assert.ok((tombstones(world)[0] ?? 0) > 0, `${tombstones(world)}`);
  mend(world, [stranger]);
  world.run(110_000);
  assert.deepEqual(tombstones(world), [0, 0, 0, 0]);
  assert.equal(statesOf(world.machines), 1);
});

test("a stranger that is back after very long resurrects nothing and loses none of its own new writes", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const { world, first, stranger } = apart(seed);
    const before = world.machines.flatMap((machine) => podsOf(stranger, machine));
    world.run(20_000);
    upsert(first, shopRef, shop(1));
    upsert(stranger, noteRef, note);
    world.run(160_000);
    assert.deepEqual(tombstones(world).slice(0, 3), [0, 0, 0], `seed ${seed}`);
    const others = world.machines.filter((machine) => machine !== stranger);
    const alive = new Set(others.flatMap((machine) => podsOf(first, machine)));
    const dead = others.flatMap((machine) => podsOf(stranger, machine)).filter((uid) => !alive.has(uid));
    assert.ok(dead.length > 0, `seed ${seed}: nothing was deleted`);
    mend(world, [stranger]);
    for (let at = 160_000; at < 190_000; at += 20) {
      world.run(at);
      const shown = new Set(others.flatMap((machine) => others.flatMap((each) => podsOf(machine, each))));
      const risen = dead.filter((uid) => shown.has(uid));
      assert.deepEqual(risen, [], `seed ${seed}: seen again at ${at} ms`);
    }
    world.run(300_000);
    assert.equal(statesOf(world.machines), 1, `seed ${seed}`);
    assert.deepEqual(tombstones(world), [0, 0, 0, 0], `seed ${seed}`);
    for (const machine of world.machines) {
      const known = new Set(world.machines.flatMap((each) => podsOf(machine, each)));
      assert.ok(
        dead.every((uid) => !known.has(uid)),
        `seed ${seed}: ${machine.name} shows the dead`,
      );
      assert.equal(machine.node?.view.object(noteRef)?.exists, true, `seed ${seed}: ${machine.name}`);
    }
    assert.ok(before.length >= 6);
  }
});
