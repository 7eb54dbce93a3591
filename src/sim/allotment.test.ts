import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { evenLayout, simConfig } from "./run-seed.ts";
import { upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Copies of the whole mesh where nobody sees all nodes. A machine has four cores. */

function deployment(name: string, replicas: number, nodeSelector: JsonObject = {}): JsonObject {
  const container = { name: "main", image: "sim", command: ["run"], resources: { requests: { cpu: "3" } } };
  const spec = { runtimeClassName: "process", nodeSelector, containers: [container] };
  const template = { metadata: { labels: { app: name } }, spec };
  return workload("Deployment", name, replicas, { spec: { template } });
}

function fleet(nodes: number, sites: number, regions: number) {
  const world = new World(11, evenLayout(nodes, sites, regions), simConfig, new Trace(), { detail: "site" });
  let starts = 0;
  world.observers.push({ podStarted: () => starts++ });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  world.run(90_000);
  const apply = (value: JsonObject): void => {
    const [first] = world.machines;
    const { name } = value["metadata"] as { name: string };
    if (first !== undefined) upsert(first, workloadRef("Deployment", name), value);
  };
  /** Where its copies run: a site for each. */
  const sitesOf = (name: string): string[] =>
    world.machines
      .flatMap(({ identity, pods }) =>
        [...pods.values()].flatMap(({ start }) => (start.labels["app"] === name ? [identity.site] : [])),
      )
      .sort();
  return { world, apply, sitesOf, starts: () => starts };
}

test("both copies of a workload that one site of 6 may run, in another region than its author, run there", () => {
  const { world, apply, sitesOf } = fleet(12, 6, 2);
  apply(deployment("only", 2, { "topology.kubernetes.io/zone": "site-5" }));
  world.run(240_000);
  assert.deepEqual(sitesOf("only"), ["site-5", "site-5"]);
});

test("12 copies of which a node holds one fill 12 nodes of 6 sites, each once, wherever the hash would have them", () => {
  const { world, apply, sitesOf, starts } = fleet(12, 6, 2);
  apply(deployment("wide", 12));
  world.run(300_000);
  const twoOfEach = [0, 1, 2, 3, 4, 5].flatMap((site) => [`site-${site}`, `site-${site}`]);
  assert.deepEqual(sitesOf("wide"), twoOfEach);
  assert.ok(starts() <= 14, `${starts()} pods were started`);
});

test("copies stay where they run when a site that the hash prefers gets room again", () => {
  const { world, apply, sitesOf, starts } = fleet(8, 4, 1);
  apply(deployment("first", 4));
  world.run(150_000);
  apply(deployment("second", 4));
  world.run(300_000);
  const [before, started] = [sitesOf("second"), starts()];
  assert.equal(before.length, 4);
  apply(deployment("first", 0));
  world.run(450_000);
  assert.deepEqual(sitesOf("second"), before);
  assert.equal(starts(), started);
});

test("a copy that no place has room for waits, and starts within 60 s of room somewhere", () => {
  const { world, apply, sitesOf } = fleet(8, 4, 1);
  apply(deployment("first", 8));
  world.run(240_000);
  apply(deployment("second", 1));
  world.run(300_000);
  assert.deepEqual(sitesOf("second"), []);
  apply(deployment("first", 7));
  world.run(360_000);
  assert.equal(sitesOf("second").length, 1);
});

test("a site that comes up later, behind 300 B/s, starts none of the 8 copies that run elsewhere", () => {
  const thin = { uplink: "satellite", uplinkBytesPerSecond: 300, uplinkBytesPerDay: 0 } as const;
  const layout = evenLayout(8, 4, 1).map((site, at) => (at === 3 ? { ...site, uplink: thin } : site));
  const world = new World(11, layout, simConfig, new Trace(), { detail: "site" });
  const starts: string[] = [];
  world.observers.push({ podStarted: ({ identity }) => starts.push(identity.site) });
  const late = world.machines.filter(({ identity }) => identity.site === "site-3");
  for (const machine of world.machines) if (!late.includes(machine)) machine.startAgent();
  world.run(60_000);
  const [first] = world.machines;
  assert.ok(first !== undefined);
  upsert(first, workloadRef("Deployment", "small"), workload("Deployment", "small", 8));
  world.run(150_000);
  assert.equal(starts.length, 8);
  for (const machine of late) machine.startAgent();
  world.run(240_000);
  assert.deepEqual(starts.slice(8), []);
});
