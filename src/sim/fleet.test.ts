import assert from "node:assert/strict";
import { test } from "node:test";
import { simStatus } from "./machine.ts";
import { evenLayout, simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Sites of 2 nodes, 3 sites a region, all of them long in the mesh, and the power back everywhere. */
function settled(nodes: number): World {
  const sites = nodes / 2;
  const world = new World(7, evenLayout(nodes, sites, sites / 3), simConfig, new Trace(), {
    detail: "site",
    settled: () => true,
  });
  for (const [at, machine] of world.machines.entries()) world.at(5 * at, () => machine.startAgent());
  return world;
}

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN;

type Measured = { readonly records: number; readonly bytes: number; readonly sentBytes: number };

/** Of the node in the middle; what is sent is the mean of 12 quiet seconds. */
function measured(world: World): Measured {
  world.run(30_000);
  const before = world.network.bytes;
  world.run(42_000);
  const held = world.machines.map(({ node }) => node?.view.footprint() ?? { records: 0, bytes: 0 });
  return {
    records: median(held.map(({ records }) => records)),
    bytes: median(held.map(({ bytes }) => bytes)),
    sentBytes: (world.network.bytes - before) / world.machines.length,
  };
}

test("from 48 nodes to 96 a node holds 2 records more for each of 8 further regions, and sends 1.3 times at most", () => {
  const small = measured(settled(48));
  const large = measured(settled(96));
  // Another neighbour on a link may be known, too, who wrote nothing that is held.
  assert.ok(large.records <= small.records + 2 * 8 + 2, `${large.records} records after ${small.records}`);
  assert.ok(large.bytes <= small.bytes + 8 * 1_500, `${large.bytes} bytes after ${small.bytes}`);
  assert.ok(large.sentBytes <= 1.3 * small.sentBytes, `${large.sentBytes} sent after ${small.sentBytes}`);
});

test("9 sites that were settled before find, after a power cut of all, nothing new to tell each other of", () => {
  const world = settled(18);
  world.run(40_000);
  assert.deepEqual(world.violations, []);
  const [first] = world.machines;
  assert.equal(first?.node?.view.sites().length, 3);
  assert.equal(first?.node?.view.regions().length, 2);
  for (const { name, age } of first?.node?.view.sites() ?? []) {
    if (name !== first?.identity.site) assert.ok(age > 40_000, `${name} was told of ${age} ms ago`);
  }
});

test("of 24 regions each tells what changed 90 s later, of 8 it would be 30 s: a node hears of no more at a time", () => {
  const layout = evenLayout(48, 24, 24);
  const options = { detail: "site", settled: () => true } as const;
  const world = new World(7, layout, simConfig, new Trace(), options);
  for (const [at, machine] of world.machines.entries()) world.at(5 * at, () => machine.startAgent());
  world.run(60_000);
  const [killed, ...others] = world.machines;
  killed?.killAgent();
  const heard = (): boolean =>
    others.some(({ node }) =>
      node?.view
        .regions()
        .some(({ name, summary }) => name === killed?.identity.region && summary.ready === 1),
    );
  world.run(60_000 + 90_000);
  assert.ok(!heard(), "not yet");
  world.run(60_000 + 130_000);
  assert.ok(heard(), "now");
});

test("when the power returns to 12 sites of 5, no more than 30 of the 60 nodes ever speak with other sites", () => {
  const world = new World(3, evenLayout(60, 12, 1), simConfig, new Trace(), {
    detail: "site",
    settled: () => true,
  });
  const outside = new Set<string>();
  world.observers.push({
    sent: ({ identity: from, name }, { identity: to }) => {
      if (from.site !== to.site) outside.add(name);
    },
  });
  for (const [at, machine] of world.machines.entries())
    world.at(3_000 * ((at * 7) % 12) * 0.1 + 150 * (at % 5), () => machine.startAgent());
  world.run(20_000);
  // Two gateways of each, and who is dialled in place of one that is not up yet.
  assert.ok(outside.size <= 30, [...outside].sort().join(" "));
});

test("of 40 sites in a region each says every 20 s what changed, of 20 sites every 10 s, however often it changes", () => {
  const words = (sites: number): number => {
    const world = new World(7, evenLayout(sites, sites, 1), simConfig, new Trace(), {
      detail: "site",
      settled: () => true,
    });
    for (const [at, machine] of world.machines.entries()) world.at(5 * at, () => machine.startAgent());
    const [restless] = world.machines;
    const far = world.machines.at(-1);
    let [heard, before] = [0, 0];
    for (let second = 30; second < 120; second++) {
      const status = { ...simStatus, addresses: ["a:1"], bootId: "b", agentStartedAt: 0 };
      restless?.deliver({ type: "measured", status: { ...status, agentVersion: `v${second}` } });
      world.run(1_000 * second);
      const told = far?.node?.view.sites().find(({ name }) => name === restless?.identity.site);
      const age = told?.age ?? Number.NaN;
      if (age < before) heard++;
      before = age;
    }
    return heard;
  };
  const [few, many] = [words(40), words(20)];
  assert.ok(few >= 4 && few <= 5, `${few} words of 40 sites in 90 s`);
  assert.ok(many >= 8 && many <= 10, `${many} words of 20 sites in 90 s`);
});
