import assert from "node:assert/strict";
import { test } from "node:test";
import { healthOf } from "../src/api/health.ts";
import { deploymentStatus } from "../src/api/present-workload.ts";
import type { JsonObject } from "../src/core/kernel/json.ts";
import { lanesResource, type Machine } from "../src/sim/machine.ts";
import { simConfig } from "../src/sim/run-seed.ts";
import { upsert, workload, workloadRef } from "../src/sim/testbed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World } from "../src/sim/world.ts";
import { apiOf } from "./support/sim-api.ts";

/** What people are told of a workload that fails or runs less, and of the node where it does, as real cores see it. */

const ref = workloadRef("Deployment", "shop");

function fleet(nodes: number) {
  const world = new World(5, [{ site: "oslo", region: "north", nodes }], simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  const [first] = world.machines;
  assert.ok(first !== undefined);
  const view = () => {
    assert.ok(first.node !== undefined);
    return first.node.view;
  };
  return {
    world,
    first,
    holder: (): Machine => {
      const found = world.machines.filter(({ pods }) => pods.size > 0);
      assert.equal(found.length, 1);
      return found[0] ?? first;
    },
    write: (value: JsonObject): void => {
      upsert(first, ref, value);
      world.run(world.now + 5_000);
    },
    degraded: (): readonly unknown[] => {
      const object = view().object(ref);
      assert.ok(object !== undefined);
      const conditions = deploymentStatus(object, view())["conditions"] as readonly JsonObject[];
      const found = conditions.find(({ type }) => type === "Degraded");
      return [found?.["status"], found?.["reason"], found?.["message"]];
    },
    stateOf: ({ name }: Machine, seenBy = first): unknown => {
      const nodes = healthOf(apiOf(seenBy), new URLSearchParams())["nodes"] as readonly JsonObject[];
      return nodes.find(({ node }) => node === name)?.["state"];
    },
  };
}

const asWanted = ["False", "AsWanted", ""];

test("a workload is Degraded as Failing from its node's strike on, by the node's name, and no more once it is ready elsewhere", () => {
  const { world, write, holder, degraded } = fleet(3);
  write(workload("Deployment", "shop", 1));
  assert.deepEqual(degraded(), asWanted);
  const sick = holder();
  // Nowhere at first: it goes on failing where it is taken to.
  for (const { runtime } of world.machines) runtime.sicken("shop");
  const seen = new Set<string>();
  for (let at = 0; at < 60; at++) {
    world.run(world.now + 1_000);
    const [status, reason, message] = degraded();
    if (status === "True") seen.add(`${String(reason)}: ${String(message)}`);
  }
  const first = [...seen][0];
  assert.equal(first, `Failing: started again too often on ${sick.name}`);
  for (const { runtime } of world.machines) runtime.cure("shop");
  world.run(world.now + 20_000);
  assert.deepEqual(degraded(), asWanted);
});

test("a copy that fails within its budget of 5 restarts is not Degraded; its node is degraded while it waits", () => {
  const { world, write, holder, degraded, stateOf } = fleet(3);
  write(workload("Deployment", "shop", 1, { annotations: { "starlight.dev/restart-budget": "0" } }));
  const sick = holder();
  assert.equal(stateOf(sick), "ok");
  sick.runtime.sicken("shop");
  world.run(world.now + 40_000);
  assert.equal(holder(), sick);
  assert.deepEqual(degraded(), asWanted);
  assert.equal(stateOf(sick), "degraded");
  sick.runtime.cure("shop");
  world.run(world.now + 40_000);
  assert.equal(stateOf(sick), "ok");
});

test("a workload that runs a smaller variant for want of room is Degraded as SmallerVariant, and leaves it 60 s after there is room", () => {
  const { world, write, holder, degraded } = fleet(2);
  const ladder = [
    { name: "full", minTier: 3, requests: { [lanesResource]: 3 } },
    { name: "thumb", minTier: 3, requests: { [lanesResource]: 1 } },
  ];
  const containers = [{ name: "main", image: "sim", command: ["run"] }];
  const template = (annotations: JsonObject): JsonObject => ({
    metadata: { labels: { app: "shop" }, annotations },
    spec: { runtimeClassName: "process", containers },
  });
  const other = workload("Deployment", "other", 2, {
    spec: {
      template: {
        metadata: { labels: { app: "other" } },
        spec: {
          runtimeClassName: "process",
          containers: [
            { name: "main", image: "sim", command: ["run"], resources: { requests: { [lanesResource]: 3 } } },
          ],
        },
      },
    },
  });
  const [first] = world.machines;
  assert.ok(first !== undefined);
  upsert(first, workloadRef("Deployment", "other"), other);
  world.run(world.now + 5_000);
  write(
    workload("Deployment", "shop", 1, {
      spec: { template: template({ "starlight.dev/variants": JSON.stringify(ladder) }) },
    }),
  );
  assert.deepEqual(degraded(), ["True", "SmallerVariant", "smaller variants run: mesh/0 as thumb"]);
  upsert(first, workloadRef("Deployment", "other"), {
    ...other,
    spec: { ...(other["spec"] as JsonObject), replicas: 0 },
  });
  world.run(world.now + 50_000);
  assert.equal(degraded()[1], "SmallerVariant");
  world.run(world.now + 15_000);
  assert.deepEqual(degraded(), asWanted);
  assert.ok(holder().pods.size === 1);
});

test("a node that nobody reaches is unreachable, not degraded, whatever it said before", () => {
  const { world, write, holder, stateOf } = fleet(3);
  write(workload("Deployment", "shop", 1, { annotations: { "starlight.dev/restart-budget": "0" } }));
  const sick = holder();
  const other = world.machines.find((machine) => machine !== sick);
  sick.runtime.sicken("shop");
  world.run(world.now + 40_000);
  assert.equal(stateOf(sick, other), "degraded");
  sick.powerOff();
  world.run(world.now + 10_000);
  assert.equal(stateOf(sick, other), "unreachable");
});
