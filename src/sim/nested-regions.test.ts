import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { isWithin } from "../core/records/scope.ts";
import { admission, enrolAt, introductionBy } from "./enrolment.ts";
import type { Machine } from "./machine.ts";
import { evenLayout, runSeed, simConfig } from "./run-seed.ts";
import { cut, send, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World, type Layout } from "./world.ts";

/** Regions that stand in regions, beside sites that do: europe has two countries, one with two parts, and a depot. */
const europe: Layout = [
  { site: "depot", region: "eu", nodes: 1 },
  { site: "bonn", region: "eu.de", nodes: 1 },
  { site: "jena", region: "eu.de.east", nodes: 2 },
  { site: "gera", region: "eu.de.east", nodes: 1 },
  { site: "ulm", region: "eu.de.south", nodes: 2 },
  { site: "lyon", region: "eu.fr", nodes: 2 },
  { site: "nice", region: "eu.fr", nodes: 1 },
  { site: "reno", region: "us", nodes: 1 },
  { site: "lima", region: "pe", nodes: 1 },
];

function started(layout: Layout): World {
  const world = new World(5, layout, simConfig, new Trace(), { detail: "site" });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  return world;
}

const of = (world: World, site: string): Machine => {
  const machine = world.machines.find(({ identity }) => identity.site === site);
  assert(machine !== undefined, site);
  return machine;
};

/** How many nodes are ready in all that a machine is told of: `eu.fr 3`. */
const told = ({ node }: Machine): string[] => [
  ...(node?.view.sites() ?? []).map(({ name, summary }) => `${name} ${summary.ready}`),
  ...(node?.view.regions() ?? []).map(({ name, summary }) => `${name} ${summary.ready}`),
];

test("of 9 sites in nested regions each node is told of the parts of those around it, and of nothing else", () => {
  const world = started(europe);
  world.run(180_000);
  assert.equal(
    told(of(world, "jena")).join(", "),
    "bonn 1, depot 1, gera 1, jena 2, eu.de.south 2, eu.fr 3, pe 1, us 1",
  );
  assert.equal(
    told(of(world, "bonn")).join(", "),
    "bonn 1, depot 1, eu.de.east 3, eu.de.south 2, eu.fr 3, pe 1, us 1",
  );
  assert.deepEqual(told(of(world, "depot")), ["depot 1", "eu.de 6", "eu.fr 3", "pe 1", "us 1"]);
  assert.deepEqual(told(of(world, "reno")), ["reno 1", "eu 10", "pe 1"]);
  assert.deepEqual(world.violations, []);
});

test("the first site of an outer region, admitted by a node of an inner one, speaks for itself within a minute", () => {
  const layout: Layout = [
    { site: "bonn", region: "eu.de", nodes: 1 },
    { site: "lyon", region: "eu.fr", nodes: 1 },
    { site: "reno", region: "us", nodes: 1 },
    { site: "rome", region: "eu", nodes: 0, later: 1 },
  ];
  const world = new World(5, layout, simConfig, new Trace(), { detail: "site", enrollers: true });
  for (const machine of world.machines) machine.startAgent();
  world.run(90_000);
  const [newcomer] = world.spares;
  assert(newcomer !== undefined);
  const inviter = of(world, "bonn");
  const record = admission(world, inviter, newcomer);
  enrolAt(world, inviter, record);
  world.run(91_000);
  newcomer.disk.preload(introductionBy(world, inviter, record));
  newcomer.startAgent();
  world.run(150_000);
  for (const site of ["bonn", "lyon"]) assert.ok(told(of(world, site)).includes("rome 1"), site);
  assert.equal(told(newcomer).join(", "), "rome 1, eu.de 1, eu.fr 1, us 1");
});

test("7 copies of the whole mesh run each once in nested regions, and stay where they are", () => {
  const world = started(europe);
  let starts = 0;
  world.observers.push({ podStarted: () => starts++ });
  world.run(120_000);
  upsert(of(world, "reno"), workloadRef("Deployment", "wide"), workload("Deployment", "wide", 7));
  world.run(300_000);
  const running = world.machines.reduce((total, { pods }) => total + pods.size, 0);
  assert.deepEqual({ running, starts }, { running: 7, starts: 7 });
});

test("whichever part of a region is lost, the others speak for it: what changes there is known outside 4 minutes later", () => {
  for (const [part, changed] of [
    ["depot", "lyon"],
    ["eu.de", "lyon"],
    ["eu.fr", "jena"],
  ] as const) {
    const world = started(europe);
    world.run(200_000);
    const isLost = ({ identity: { site, region } }: Machine): boolean =>
      site === part || isWithin(region, part);
    for (const machine of world.machines) if (isLost(machine)) machine.powerOff();
    world.run(230_000);
    of(world, changed).powerOff();
    world.run(470_000);
    // Nobody is there to take back the word of those who are lost.
    assert.ok(told(of(world, "reno")).includes("eu 9"), `${part}: ${told(of(world, "reno")).join(", ")}`);
  }
});

test("a region that is cut off with all that stands in it goes on: what is written there is everywhere in it", () => {
  const world = started(europe);
  world.run(120_000);
  const inside = world.machines.filter(({ identity }) => isWithin(identity.region, "eu.de"));
  const outside = world.machines.filter((machine) => !inside.includes(machine));
  cut(world, inside, outside);
  const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "note" } as const;
  const metadata = { namespace: "default", name: "note" };
  upsert(of(world, "ulm"), ref, { apiVersion: "v1", kind: "ConfigMap", metadata, data: {} });
  world.run(140_000);
  const holds = ({ node }: Machine): boolean => node?.view.object(ref)?.exists === true;
  assert.deepEqual(
    world.machines.filter(holds).map(({ name }) => name),
    inside.map(({ name }) => name),
  );
  world.network.mendAll();
  world.run(200_000);
  assert.equal(world.machines.filter(holds).length, world.machines.length);
});

test("what was deleted is kept until a region beside it has heard, whose edit of two minutes later brings all of it back", () => {
  const world = started(europe);
  const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "note" } as const;
  const note = (data: JsonObject): JsonObject => {
    const metadata = { namespace: "default", name: "note" };
    return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
  };
  const held = (machine: Machine): string => {
    const object = machine.node?.view.object(ref);
    return object?.exists === true ? JSON.stringify(object.value["data"]) : "nothing";
  };
  world.run(60_000);
  upsert(of(world, "reno"), ref, note({ a: "1", b: "2" }));
  world.run(180_000);
  const inside = world.machines.filter(({ identity }) => isWithin(identity.region, "eu.fr"));
  cut(world, inside);
  world.run(190_000);
  send(of(world, "jena"), { type: "delete", ref, manager: "m", class: "user" });
  world.run(310_000);
  for (const machine of world.machines)
    assert.equal(held(machine), inside.includes(machine) ? '{"a":"1","b":"2"}' : "nothing", machine.name);
  upsert(of(world, "nice"), ref, note({ a: "9", b: "2" }), "late");
  world.run(320_000);
  world.network.mendAll();
  world.run(380_000);
  for (const machine of world.machines) assert.equal(held(machine), '{"a":"9","b":"2"}', machine.name);
});

test("a deletion that everybody in nested regions has heard of is forgotten", () => {
  const world = started(europe);
  const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "note" } as const;
  const metadata = { namespace: "default", name: "note" };
  world.run(60_000);
  upsert(of(world, "lyon"), ref, { apiVersion: "v1", kind: "ConfigMap", metadata, data: {} });
  world.run(120_000);
  send(of(world, "jena"), { type: "delete", ref, manager: "m", class: "user" });
  const remembered = (): number =>
    world.machines.reduce((total, { node }) => {
      const { tombstones, dead } = node?.view.records() ?? { tombstones: 0, dead: 0 };
      return total + tombstones + dead;
    }, 0);
  world.run(140_000);
  assert.ok(remembered() > 0);
  world.run(900_000);
  assert.equal(remembered(), 0);
});

/** 5: two areas knew weights of different ages, and both gave a copy away to the other. 7: nobody is left of a site. */
test("storms over 12 nodes of 8 sites in 4 regions of 2 areas end well", () => {
  const options = { nodes: 12, sites: 8, regions: 4, areas: 2, detail: "site" } as const;
  for (const seed of [5, 7])
    assert.deepEqual(
      runSeed({ ...options, seed, stormMs: 60_000, calmMs: 90_000 }).violations,
      [],
      `${seed}`,
    );
});

test("from 27 sites in 9 regions of 3 areas to 81 in 27 regions of 9 a node holds 12 records more, two for each area", () => {
  const records = (sites: number): number => {
    const world = new World(7, evenLayout(sites, sites, sites / 3, sites / 9), simConfig, new Trace(), {
      detail: "site",
      settled: () => true,
    });
    for (const [at, machine] of world.machines.entries()) world.at(5 * at, () => machine.startAgent());
    world.run(60_000);
    const held = world.machines.map(({ node }) => node?.view.footprint().records ?? Number.NaN);
    return held.sort((left, right) => left - right)[held.length >> 1] ?? Number.NaN;
  };
  const [small, large] = [records(27), records(81)];
  assert.ok(large <= small + 12 + 2, `${large} after ${small}`);
});
