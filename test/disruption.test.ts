import assert from "node:assert/strict";
import { test } from "node:test";
import { keptBy } from "../src/api/disruption.ts";
import type { Machine } from "../src/sim/machine.ts";
import { simConfig } from "../src/sim/run-seed.ts";
import { send, upsert, workload, workloadRef } from "../src/sim/testbed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World } from "../src/sim/world.ts";

/** A drain as `kubectl drain` does it, under a PodDisruptionBudget, with real cores: what is ready in truth. */

const replicas = 4;
const budget = {
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: { name: "shop", namespace: "default" },
  spec: { maxUnavailable: 1, selector: { matchLabels: { app: "shop" } } },
};

/** What the API's eviction asks first, and passes on; who is refused asks again. */
function evictAll(machine: Machine): number {
  let left = 0;
  for (const pod of machine.node?.view.pods() ?? []) {
    const view = machine.node?.view;
    if (view === undefined || pod.node !== machine.identity.id || pod.body.phase === "Terminating") continue;
    left++;
    if (pod.body.yields === true || keptBy(pod, view) !== undefined) continue;
    machine.deliver({ type: "evict", uid: pod.uid, within: undefined, why: "drained" });
  }
  return left;
}

test("two of four nodes are drained at once under maxUnavailable 1, and 3 of 4 copies are ready at every moment", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new World(seed, [{ site: "oslo", region: "north", nodes: 4 }], simConfig, new Trace());
    for (const machine of world.machines) machine.startAgent();
    world.run(5_000);
    const [first, ...others] = world.machines;
    assert.ok(first !== undefined);
    const ref = { group: "policy", kind: "PodDisruptionBudget", namespace: "default", name: "shop" };
    upsert(first, ref, budget);
    upsert(first, workloadRef("Deployment", "shop"), workload("Deployment", "shop", replicas));
    world.run(15_000);
    const ready = (): number =>
      world.machines.reduce(
        (sum, { pods }) => sum + [...pods.values()].filter((pod) => pod.ready && !pod.stopping).length,
        0,
      );
    assert.equal(ready(), replicas);
    let fewest = replicas;
    world.observers.push({
      // The one that is told to stop is still among them.
      podStopping: () => {
        fewest = Math.min(fewest, ready() - 1);
      },
    });
    const drained = others.slice(0, 2);
    for (const { name } of drained) {
      const node = { apiVersion: "v1", kind: "Node", metadata: { name }, spec: { unschedulable: true } };
      const nodeRef = { group: "", kind: "Node", namespace: "", name };
      send(first, { type: "update", ref: nodeRef, value: node, manager: "m", class: "user", mode: "upsert" });
    }
    let left = 1;
    for (let at = 0; at < 60 && left > 0; at++) {
      world.run(world.now + 500);
      left = drained.reduce((sum, machine) => sum + evictAll(machine), 0);
    }
    assert.equal(left, 0, `seed ${seed}: the drain does not end`);
    world.run(world.now + 5_000);
    assert.equal(ready(), replicas);
    assert.ok(fewest >= replicas - 1, `seed ${seed}: only ${fewest} of ${replicas} were ready`);
    for (const machine of drained) assert.equal(machine.pods.size, 0);
  }
});
