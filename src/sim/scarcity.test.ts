import assert from "node:assert/strict";
import { test } from "node:test";
import { lanesOfMachine, lanesResource } from "./machine.ts";
import { requestsOf } from "./sim-pod.ts";
import { simConfig } from "./run-seed.ts";
import { upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Machines that take over what others do not claim in time. */

test("a node that takes over several copies of another one that stands still claims no more than it has room for", () => {
  for (let seed = 1; seed <= 3; seed++) {
    const world = new World(seed, [{ site: "oslo", region: "north", nodes: 3 }], simConfig, new Trace());
    for (const machine of world.machines) machine.startAgent();
    world.run(5_000);
    const [first, second] = world.machines;
    assert.ok(first !== undefined && second !== undefined);
    let most = 0;
    world.observers.push({
      podStarted: ({ pods }) => {
        const used = [...pods.values()].reduce((sum, { start }) => sum + requestsOf(start, lanesResource), 0);
        most = Math.max(most, used);
      },
    });
    second.pause(8_000);
    const containers = [
      { name: "main", image: "sim", command: ["run"], resources: { requests: { [lanesResource]: 1 } } },
    ];
    const template = {
      metadata: { labels: { app: "shop" } },
      spec: { runtimeClassName: "process", containers },
    };
    const replicas = 10;
    upsert(
      first,
      workloadRef("Deployment", "shop"),
      workload("Deployment", "shop", replicas, {
        spec: { replicas, selector: { matchLabels: { app: "shop" } }, template },
      }),
    );
    world.run(60_000);
    assert.ok(most <= lanesOfMachine, `seed ${seed}: a machine with ${lanesOfMachine} lanes ran ${most}`);
    const running = world.machines.reduce((sum, { pods }) => sum + pods.size, 0);
    assert.equal(running, replicas);
  }
});
