import assert from "node:assert/strict";
import { test } from "node:test";
import { epochMs } from "../core/kernel/hybrid-clock.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import { goneKey } from "../core/records/keys.ts";
import { sealRecord, storedBytes } from "../core/records/seal.ts";
import { cronJob, fleet, job, podTemplate } from "./jobs-testbed.ts";

/** What a Job's and a CronJob's fields promise, and a node whose membership ends. */

const minute = 60_000;
test("with Allow three runs of a minute each are under way after three minutes", () => {
  const { world, write, running } = fleet();
  write(cronJob("Allow"));
  world.run(world.now + 3 * minute);
  assert.equal(running().length, 3);
});

test("with Forbid the second run waits until the first is over, and runs that were due meanwhile are left out", () => {
  const { world, write, running, end, starts, stops } = fleet();
  write(cronJob("Forbid"));
  world.run(world.now + 4.5 * minute);
  assert.deepEqual(starts.length, 1);
  const [only] = running();
  assert.ok(only !== undefined);
  end(only);
  world.run(world.now + 1.5 * minute);
  assert.deepEqual([starts.length, new Set(starts).size] as readonly number[], [2, 2]);
  assert.deepEqual(stops, []);
});

test("with Replace each run ends the one before it, and never do two go on", () => {
  const { world, write, running, starts, stops } = fleet();
  write(cronJob("Replace"));
  for (let at = 1; at <= 4; at++) {
    world.run(world.now + minute);
    assert.equal(running().length, 1);
  }
  assert.equal(starts.length, 4);
  assert.deepEqual(stops, starts.slice(0, 3));
});

test("a CronJob that is suspended starts no run, and lets the one under way finish", () => {
  const { world, write, running, starts } = fleet();
  write(cronJob("Allow"));
  world.run(world.now + 1.2 * minute);
  const before = starts.length;
  assert.ok(before > 0);
  write(cronJob("Allow", { suspend: true }));
  world.run(world.now + 5 * minute);
  assert.equal(starts.length, before);
  assert.equal(running().length, before);
});

test("a finished job goes 60 s after its end with ttlSecondsAfterFinished 60, and its pods with it; without it stays", () => {
  for (const ttl of [60, undefined]) {
    const { world, write, running, end, standing } = fleet();
    write(job(ttl === undefined ? {} : { ttlSecondsAfterFinished: ttl }));
    world.run(world.now + 10_000);
    const [only] = running();
    assert.ok(only !== undefined);
    end(only);
    world.run(world.now + 50_000);
    assert.equal(standing("work")?.ended?.as, "Complete");
    world.run(world.now + 30_000);
    assert.equal(standing("work") === undefined, ttl !== undefined);
    const pods = world.machines.reduce((sum, machine) => sum + machine.pods.size, 0);
    assert.equal(pods, ttl === undefined ? 1 : 0);
  }
});

test("a job waits 10 s after a failure and not at all after a success, though a pod of it failed before", () => {
  const { world, write, running, end, starts } = fleet();
  write(job({ completions: 2 }));
  world.run(world.now + 5_000);
  const endOnly = (exitCode: number): void => {
    const [only, ...others] = running();
    assert.ok(only !== undefined && others.length === 0);
    end(only, exitCode);
  };
  endOnly(1);
  world.run(world.now + 9_000);
  assert.equal(starts.length, 1);
  world.run(world.now + 2_000);
  assert.equal(starts.length, 2);
  endOnly(0);
  world.run(world.now + 2_000);
  assert.equal(starts.length, 3);
});

test("a suspended job runs nothing; it starts when that is taken back, and ends its pods when it is suspended again", () => {
  const { world, write, running, stops, standing } = fleet();
  const both = { completions: 2, parallelism: 2 };
  write(job({ ...both, suspend: true }));
  world.run(world.now + minute);
  assert.equal(running().length, 0);
  write(job({ ...both, suspend: false }));
  world.run(world.now + 10_000);
  assert.equal(running().length, 2);
  write(job({ ...both, suspend: true }));
  world.run(world.now + 10_000);
  assert.equal(running().length, 0);
  assert.equal(stops.length, 2);
  assert.equal(standing("work")?.ended, undefined);
  write(job({ ...both, suspend: false }));
  world.run(world.now + 10_000);
  assert.equal(running().length, 2);
});

test("a job that is not done after activeDeadlineSeconds 30 is Failed, and its pods end", () => {
  const { world, write, running, standing, stops } = fleet();
  write(job({ activeDeadlineSeconds: 30 }));
  world.run(world.now + 25_000);
  assert.equal(running().length, 1);
  world.run(world.now + 15_000);
  assert.equal(running().length, 0);
  assert.equal(stops.length, 1);
  const { as, why } = standing("work")?.ended ?? {};
  assert.deepEqual([as, why], ["Failed", "DeadlineExceeded"]);
});

test("a job per site runs its completions in each site that matches, and is done when all of them are", () => {
  const { world, write, running, end, standing } = fleet([
    { site: "oslo", region: "north", nodes: 2 },
    { site: "bern", region: "south", nodes: 2 },
    { site: "lima", region: "west", nodes: 1 },
  ]);
  const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": "name in (oslo,bern)" };
  write(job({ completions: 1 }, annotations));
  world.run(world.now + 10_000);
  const sites = (): readonly string[] =>
    running()
      .map(({ machine }) => machine.identity.site)
      .sort();
  assert.deepEqual(sites(), ["bern", "oslo"]);
  const oslo = running().find(({ machine }) => machine.identity.site === "oslo");
  assert.ok(oslo !== undefined);
  end(oslo);
  world.run(world.now + 30_000);
  assert.deepEqual(sites(), ["bern"]);
  assert.equal(standing("work")?.ended, undefined);
  const [bern] = running();
  assert.ok(bern !== undefined);
  end(bern);
  world.run(world.now + 10_000);
  assert.equal(standing("work")?.ended?.as, "Complete");
});

test("a node that is revoked ends its pods, and the others run them", () => {
  const { world, write, running, stops, first } = fleet();
  const labels = { app: "shop" };
  const { restartPolicy: _never, ...spec } = podTemplate["spec"] as JsonObject;
  write({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "default" },
    spec: { replicas: 3, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  world.run(world.now + 10_000);
  assert.equal(running().length, 3);
  const leaver = world.machines.find((machine) => machine !== first && machine.pods.size > 0);
  assert.ok(leaver !== undefined);
  const key = goneKey(leaver.identity.id);
  const version = (world.trueTime() - epochMs) * 4_096;
  const body = { how: "revoked", reason: "sold" };
  const root = { id: first.identity.mesh.id, signer: world.crypto.signer("root") };
  const record = sealRecord(
    { scope: "mesh", key, version, kind: "roster", body },
    root.id,
    root.signer,
    world.crypto,
  );
  first.deliver({ type: "enrolled", frame: storedBytes(record, world.crypto) });
  world.run(world.now + 4_000);
  assert.equal(leaver.pods.size, 0);
  assert.equal(stops.length, 1);
  assert.equal(running().length, 3);
  assert.ok(running().every(({ machine }) => machine !== leaver));
});
