import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { addressOf, simStatus, type Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { cut, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

const ref = workloadRef("StatefulSet", "db");

type Parts = {
  readonly spec?: JsonObject;
  readonly annotations?: { [name: string]: string };
  readonly env?: string;
};

const statefulSet = (replicas: number, { spec, annotations = {}, env = "v1" }: Parts = {}): JsonObject =>
  workload("StatefulSet", "db", replicas, {
    annotations,
    version: env,
    spec: { serviceName: "db", ...spec },
  });

/** Three nodes of one site, and the pods in the order in which they started and stopped. */
function fleet(nodes = 3) {
  const world = new World(5, [{ site: "oslo", region: "north", nodes }], simConfig, new Trace());
  const events: string[] = [];
  world.observers.push({
    podStarted: (_machine, pod) => events.push(`+${pod.start.name}`),
    podStopping: (_machine, pod) => events.push(`-${pod.start.name}`),
  });
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  const write = (value: JsonObject): void => {
    const up = world.machines.find(({ state }) => state === "up");
    if (up !== undefined) upsert(up, ref, value);
  };
  const pods = (): string[] =>
    world.machines.flatMap((machine) => [...machine.pods.values()].map(({ start }) => start.name)).sort();
  const holderOf = (name: string): Machine | undefined =>
    world.machines.find((machine) => [...machine.pods.values()].some(({ start }) => start.name === name));
  return { world, events, write, pods, holderOf };
}

test("ordinals start one after the other, and are stopped in reverse order", () => {
  const { world, events, write, pods } = fleet();
  write(statefulSet(3));
  world.run(20_000);
  assert.deepEqual(events, ["+db-0", "+db-1", "+db-2"]);
  write(statefulSet(1));
  world.run(40_000);
  assert.deepEqual(events.slice(3), ["-db-2", "-db-1"]);
  assert.deepEqual(pods(), ["db-0"]);
});

test("an update goes from the highest ordinal down to the partition, one at a time", () => {
  const { world, events, write } = fleet();
  write(statefulSet(3));
  world.run(20_000);
  const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 1 } };
  write(statefulSet(3, { env: "v2", spec: { updateStrategy } }));
  world.run(60_000);
  assert.deepEqual(events.slice(3), ["-db-2", "+db-2", "-db-1", "+db-1"]);
});

test("a pod is started elsewhere after its node is gone, under a larger token, and only once", () => {
  const { world, events, write, holderOf } = fleet();
  write(statefulSet(1));
  world.run(20_000);
  const old = holderOf("db-0");
  const token = [...(old?.pods.values() ?? [])][0]?.start.fence?.token ?? 0;
  old?.powerOff();
  world.run(40_000);
  const next = holderOf("db-0");
  assert.ok(next !== undefined && next !== old);
  assert.ok(([...next.pods.values()][0]?.start.fence?.token ?? 0) > token);
  assert.deepEqual(events, ["+db-0", "+db-0"]);
});

test("a pod with a volume waits for the node that has its data, unless it may start fresh", () => {
  const spec = { volumeClaimTemplates: [{ metadata: { name: "data" }, spec: {} }] };
  for (const fresh of [false, true]) {
    const { world, write, pods, holderOf } = fleet();
    const annotations = fresh ? { "starlight.dev/volume-lost": "fresh" } : {};
    write(statefulSet(1, { spec, annotations: { ...annotations } }));
    world.run(20_000);
    const old = holderOf("db-0");
    assert.deepEqual(Object.values([...(old?.pods.values() ?? [])][0]?.start.kept ?? {}), [
      "default/data-db-0",
    ]);
    old?.powerOff();
    world.run(60_000);
    assert.deepEqual(pods(), fresh ? ["db-0"] : []);
    old?.powerOn();
    world.run(90_000);
    assert.deepEqual(pods(), ["db-0"]);
    if (!fresh) assert.equal(holderOf("db-0"), old);
  }
});

test("of two nodes one that is cut off stops, and with a third whom people name as witness the other one takes over", () => {
  const layout = [
    { site: "oslo", region: "north", nodes: 2 },
    { site: "bern", region: "north", nodes: 1 },
  ];
  const witness = { "starlight.dev/witness-for": "oslo" };
  for (const namedBy of ["nobody", "itself", "people"]) {
    const world = new World(9, layout, simConfig, new Trace());
    for (const machine of world.machines) machine.startAgent();
    const [first, second, third] = world.machines;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const measured = { ...simStatus, addresses: [addressOf(third.name)], bootId: "0", agentStartedAt: 0 };
    if (namedBy === "itself") third.deliver({ type: "measured", status: { ...measured, labels: witness } });
    world.run(4_000);
    const node = { group: "", kind: "Node", namespace: "", name: "bern-1" };
    const metadata = { name: "bern-1", labels: namedBy === "people" ? witness : { rack: "1" } };
    upsert(first, node, { apiVersion: "v1", kind: "Node", metadata });
    const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": "name=oslo" };
    upsert(first, ref, statefulSet(1, { annotations }));
    world.run(30_000);
    const isWitness = namedBy === "people";
    assert.equal(first.node?.view.leases.roll("site/oslo")?.voters.length, isWitness ? 3 : 2, namedBy);
    const holder = first.pods.size > 0 ? first : second;
    const other = holder === first ? second : first;
    assert.equal(holder.pods.size, 1);
    cut(world, [holder]);
    world.run(60_000);
    assert.equal(holder.pods.size, 0);
    assert.equal(other.pods.size, isWitness ? 1 : 0, namedBy);
  }
});

test("where detail stays in sites, a mesh-wide StatefulSet is refused and one per site runs in each of 2", () => {
  for (const placement of ["mesh", "perSite"]) {
    const layout = [
      { site: "oslo", region: "north", nodes: 2 },
      { site: "bern", region: "north", nodes: 2 },
    ];
    const world = new World(7, layout, simConfig, new Trace(), { detail: "site" });
    const refusals = new Set<string>();
    world.observers.push({
      noted: (machine, { reason }) => void (reason === "PodRefused" && refusals.add(machine.identity.site)),
    });
    for (const machine of world.machines) machine.startAgent();
    world.run(5_000);
    const annotations = placement === "perSite" ? { "starlight.dev/placement": placement } : {};
    const [first] = world.machines;
    assert.ok(first !== undefined);
    upsert(first, ref, statefulSet(1, { annotations }));
    world.run(60_000);
    const running = world.machines.flatMap(({ identity, pods }) => [...pods.keys()].map(() => identity.site));
    assert.deepEqual(running.sort(), placement === "perSite" ? ["bern", "oslo"] : []);
    assert.equal(refusals.size, placement === "perSite" ? 0 : 1, [...refusals].join());
  }
});
