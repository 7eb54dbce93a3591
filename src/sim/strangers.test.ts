import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../core/intents/contract.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Days are minutes here: members that were not heard of for one are not waited for. */
const config = { ...simConfig, absentLong: 60_000, tombstoneEvery: 1_000, lostAfter: 5_000 };
const shopRef = { group: "apps", kind: "Deployment", namespace: "default", name: "shop" };
const noteRef = { group: "", kind: "ConfigMap", namespace: "default", name: "note" };
const labels = { app: "shop" };
const shop = (replicas: number) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "shop", namespace: "default" },
  spec: {
    replicas,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { runtimeClassName: "process", containers: [{ name: "main", image: "sim", command: ["run"] }] },
    },
  },
});
const note = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "note", namespace: "default" },
  data: { by: "stranger" },
};

function send(machine: Machine, change: Change): void {
  machine.deliver({ type: "write", request: 1, changes: [change], actor: "me", dryRun: false });
}
const upsert = (ref: Change["ref"], value: Extract<Change, { type: "update" }>["value"]): Change => ({
  type: "update",
  ref,
  value,
  manager: "m",
  class: "user",
  mode: "upsert",
});

/** Four nodes that ran six copies while one of them, the last, was there to see it; then it was cut off. */
function apart(seed: number) {
  const world = new World(seed, [{ site: "oslo", region: "north", nodes: 4 }], config, new Trace());
  const [first, , , stranger] = world.machines as [Machine, Machine, Machine, Machine];
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  send(first, upsert(shopRef, shop(6)));
  world.run(12_000);
  cut(world, stranger, true);
  return { world, first, stranger };
}

function cut(world: World, machine: Machine, away: boolean): void {
  for (const other of world.machines.filter((each) => each !== machine)) {
    for (const [from, to] of [
      [machine, other],
      [other, machine],
    ] as const) {
      if (away) world.network.cut(from.host, to.host);
      else world.network.mend(from.host, to.host);
    }
  }
}

const hashes = (world: World): number =>
  new Set(world.machines.map(({ node }) => node?.view.stateHash())).size;
const tombstones = (world: World): number[] =>
  world.machines.map(({ node }) => node?.view.records().tombstones ?? -1);
const podsOf = (machine: Machine, of: Machine): string[] =>
  (machine.node?.view.pods() ?? []).filter(({ node }) => node === of.identity.id).map(({ uid }) => uid);

test("deletions wait for a member that is away, and are not forgotten before it has them", () => {
  const { world, first, stranger } = apart(3);
  world.run(20_000);
  send(first, upsert(shopRef, shop(1)));
  world.run(50_000);
  assert.ok((tombstones(world)[0] ?? 0) > 0, `${tombstones(world)}`);
  cut(world, stranger, false);
  world.run(110_000);
  assert.deepEqual(tombstones(world), [0, 0, 0, 0]);
  assert.equal(hashes(world), 1);
});

test("a stranger that is back after very long resurrects nothing and loses none of its own new writes", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const { world, first, stranger } = apart(seed);
    const before = world.machines.flatMap((machine) => podsOf(stranger, machine));
    world.run(20_000);
    send(first, upsert(shopRef, shop(1)));
    send(stranger, upsert(noteRef, note));
    world.run(160_000);
    assert.deepEqual(tombstones(world).slice(0, 3), [0, 0, 0], `seed ${seed}`);
    const others = world.machines.filter((machine) => machine !== stranger);
    const alive = new Set(others.flatMap((machine) => podsOf(first, machine)));
    const dead = others.flatMap((machine) => podsOf(stranger, machine)).filter((uid) => !alive.has(uid));
    assert.ok(dead.length > 0, `seed ${seed}: nothing was deleted`);
    cut(world, stranger, false);
    for (let at = 160_000; at < 190_000; at += 20) {
      world.run(at);
      const shown = new Set(others.flatMap((machine) => others.flatMap((each) => podsOf(machine, each))));
      const risen = dead.filter((uid) => shown.has(uid));
      assert.deepEqual(risen, [], `seed ${seed}: seen again at ${at} ms`);
    }
    world.run(300_000);
    assert.equal(hashes(world), 1, `seed ${seed}`);
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
