import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { admission, enrolAt, introductionBy, revocation } from "./enrolment.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** An exclusive workload of a site that everybody leaves, and of one that two enrollers create. */

const ref = workloadRef("StatefulSet", "vault");
const vault = workload("StatefulSet", "vault", 1, {
  annotations: { "starlight.dev/placement": "perSite" },
  spec: { serviceName: "vault" },
});

type Life = { readonly machine: Machine; readonly token: number; readonly from: number; to: number };

/** Two sites of two nodes, an enroller in each, and places for more, with every life of the site's copy. */
function fleet(site: string, nodes: number, later: number) {
  const places = [
    { site: "oslo", region: "north", nodes: 2 },
    { site: "lima", region: "north", nodes: 2 },
    { site, region: "north", nodes, later },
  ];
  const world = new World(3, places, simConfig, new Trace(), { enrollers: true });
  const lives: Life[] = [];
  world.observers.push({
    podStarted: (machine, { start }) => {
      if (machine.identity.site !== site) return;
      lives.push({
        machine,
        token: start.fence?.token ?? 0,
        from: world.now,
        to: Number.POSITIVE_INFINITY,
      });
    },
  });
  for (const machine of world.machines) machine.startAgent();
  /** Looks 20 times a second at what has ended. */
  const run = (duration: number): void => {
    for (const until = world.now + duration; world.now < until;) {
      world.run(world.now + 50);
      for (const life of lives) {
        const runs = [...life.machine.pods.values()].some(({ start }) => start.fence?.token === life.token);
        if (!runs) life.to = Math.min(life.to, world.now);
      }
    }
  };
  run(8_000);
  const [oslo] = world.machines;
  const lima = world.machines.find(({ identity }) => identity.site === "lima");
  assert.ok(oslo !== undefined && lima !== undefined);
  upsert(oslo, ref, vault);
  run(1_000);
  const join = (enroller: Machine, skew = 0): Machine => {
    const newcomer = world.spares.shift();
    assert.ok(newcomer !== undefined);
    const record = admission(world, enroller, newcomer);
    enrolAt(world, enroller, record);
    run(500);
    newcomer.skew = skew;
    newcomer.disk.preload(introductionBy(world, enroller, record));
    world.machines.push(newcomer);
    newcomer.startAgent();
    return newcomer;
  };
  return { world, lives, run, oslo, lima, join };
}

function cut(world: World, isCut: boolean, ones: readonly Machine[], others: readonly Machine[]): void {
  for (const one of ones)
    for (const other of others) {
      if (one === other) continue;
      for (const [from, to] of [[one.host, other.host] as const, [other.host, one.host] as const]) {
        if (isCut) world.network.cut(from, to);
        else world.network.mend(from, to);
      }
    }
}

const atSite = ({ machines }: World, site: string): Machine[] =>
  machines.filter(({ identity }) => identity.site === site);

for (const how of ["left", "revoked"] as const) {
  test(`a site whose only member has ${how} begins anew: no two copies, and a larger token, by a clock of 1970`, () => {
    const { world, lives, run, oslo, join } = fleet("bern", 1, 1);
    run(20_000);
    const [first] = lives;
    assert.ok(first !== undefined);
    const { machine } = first;
    world.depart(machine, how);
    if (how === "left") machine.deliver({ type: "leave", reason: "sold" });
    else enrolAt(world, oslo, revocation(world, oslo, machine.identity.id));
    run(500);
    const young = join(oslo, -50 * 365 * 86_400_000);
    run(40_000);
    const [, next] = lives;
    assert.ok(next !== undefined);
    assert.equal(lives.length, 2);
    assert.equal(next.machine, young);
    assert.ok(next.from >= first.to, `starts at ${next.from}, the old one ends at ${first.to}`);
    assert.ok(next.token > first.token);
    assert.deepEqual(world.violations, []);
  });
}

test("two enrollers that are cut from each other begin one site: once they meet the larger token alone runs on", () => {
  const { world, lives, run, oslo, lima, join } = fleet("bern", 0, 2);
  const [ours, theirs] = [atSite(world, "oslo"), atSite(world, "lima")];
  cut(world, true, [...ours, ...world.spares.slice(0, 1)], [...theirs, ...world.spares.slice(1)]);
  run(5_000);
  join(oslo);
  join(lima);
  run(30_000);
  const both = lives.filter(({ to }) => to > world.now);
  assert.equal(both.length, 2, "neither side can know of the other");
  const healedAt = world.now;
  cut(world, false, world.machines, world.machines);
  run(60_000);
  const most = Math.max(...lives.map(({ token }) => token));
  const left = lives.filter(({ to }) => to > world.now);
  assert.deepEqual(
    left.map(({ token }) => token),
    [most],
  );
  const ended = both.find(({ token }) => token < most);
  assert.ok(
    ended !== undefined && ended.to < healedAt + 15_000,
    `ended ${(ended?.to ?? 0) - healedAt} ms later`,
  );
  const rolls = atSite(world, "bern").map(({ node }) => node?.view.leases.roll("site/bern"));
  assert.equal(rolls[0]?.voters.length, 2);
  assert.deepEqual(rolls[0], rolls[1]);
});

test("where a witness was named before, of two islands that begin one site only the one that reaches it runs its copy", () => {
  const { world, lives, run, oslo, lima, join } = fleet("bern", 0, 2);
  const [ours, theirs] = [atSite(world, "oslo"), atSite(world, "lima")];
  const name = lima.name;
  const label: JsonObject = { name, labels: { "starlight.dev/witness-for": "bern" } };
  const node = { group: "", kind: "Node", namespace: "", name };
  upsert(oslo, node, { apiVersion: "v1", kind: "Node", metadata: label });
  run(5_000);
  cut(world, true, [...ours, ...world.spares.slice(0, 1)], [...theirs, ...world.spares.slice(1)]);
  run(5_000);
  join(oslo);
  const inReach = join(lima);
  run(30_000);
  assert.deepEqual(
    lives.map(({ machine }) => machine),
    [inReach],
  );
  cut(world, false, world.machines, world.machines);
  run(60_000);
  assert.equal(lives.length, 1);
  assert.equal(inReach.node?.view.leases.roll("site/bern")?.voters.length, 3);
});

test("where detail stays in sites, a newcomer that another site admits joins the voters of its own, and the copy runs on", () => {
  const places = ["oslo", "bern"].map((site) => ({ site, region: "north", nodes: 2, later: 1 }));
  const world = new World(5, places, simConfig, new Trace(), { detail: "site", enrollers: true });
  for (const machine of world.machines) machine.startAgent();
  world.run(90_000);
  const [oslo] = world.machines;
  const newcomer = world.spares.find(({ identity }) => identity.site === "bern");
  assert.ok(oslo !== undefined && newcomer !== undefined);
  upsert(oslo, ref, vault);
  world.run(world.now + 60_000);
  const before = atSite(world, "bern").flatMap(({ pods }) => [...pods.keys()]);
  const roll = atSite(world, "bern")[0]?.node?.view.leases.roll("site/bern");
  assert.deepEqual([before.length, roll?.voters.length], [1, 2]);
  const record = admission(world, oslo, newcomer);
  enrolAt(world, oslo, record);
  world.run(world.now + 1_000);
  // Oslo can tell it of none of them.
  const mates = atSite(world, "bern").map(({ identity }) => identity.id);
  const told = introductionBy(world, oslo, record);
  newcomer.disk.preload(told.filter(({ slot }) => !mates.some((id) => slot.includes(id))));
  cut(world, true, [newcomer], atSite(world, "bern"));
  world.machines.push(newcomer);
  newcomer.startAgent();
  world.run(world.now + 20_000);
  cut(world, false, [newcomer], atSite(world, "bern"));
  world.run(world.now + 100_000);
  const now = newcomer.node?.view.leases.roll("site/bern");
  assert.deepEqual([now?.founding, now?.voters.length], [roll?.founding, 3]);
  const after = atSite(world, "bern").flatMap(({ pods }) => [...pods.keys()]);
  assert.deepEqual(after, before);
});
