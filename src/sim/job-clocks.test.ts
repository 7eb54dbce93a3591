import assert from "node:assert/strict";
import { test } from "node:test";
import { jobOf } from "./sim-pod.ts";
import { cronJob, fleet, job } from "./jobs-testbed.ts";

/** Jobs and the runs of CronJobs where clocks differ, and nodes are not there when it is their turn. */

const minute = 60_000;

test("a job that has gone by itself by one clock is not run again by those whose clocks are 60 s behind", () => {
  const { world, write, running, end, starts, standing } = fleet(undefined, [0, 60_000, 60_000]);
  write(job({ ttlSecondsAfterFinished: 10 }));
  world.run(world.now + 5_000);
  const [only] = running();
  assert.ok(only !== undefined);
  end(only);
  world.run(world.now + 3 * minute);
  assert.equal(starts.length, 1);
  assert.equal(standing("work"), undefined);
});

test("a failure by a clock that is 4 minutes ahead is tried again after 10 s, not 4 minutes later", () => {
  const { world, write, running, end, starts } = fleet(undefined, [0, 240_000, 240_000]);
  write(job());
  world.run(world.now + 5_000);
  const [only] = running();
  assert.ok(
    only !== undefined && only.machine.skew > 0,
    "the test wants another node to be the first in line",
  );
  end(only, 1);
  world.run(world.now + 300);
  for (const machine of world.machines) if (machine.skew > 0) machine.powerOff();
  world.run(world.now + 9_000);
  assert.equal(starts.length, 1);
  world.run(world.now + 15_000);
  assert.equal(starts.length, 2);
});

test("of a CronJob that replaces no run begins after a later one, though a clock is 90 s ahead", () => {
  const { world, write, starts } = fleet(undefined, [0, 90_000, 0]);
  write(cronJob("Replace"));
  world.run(world.now + 6 * minute);
  const minutes = starts.map((name) => Number(/^tick-(\d+)-/.exec(name)?.[1]));
  assert.ok(minutes.length >= 6);
  assert.deepEqual(
    minutes,
    [...minutes].sort((left, right) => left - right),
  );
});

test("a run that is evicted after a minute goes on elsewhere, and with Forbid the next one waits for it", () => {
  const { world, write, running, starts, end } = fleet();
  write(cronJob("Forbid"));
  world.run(world.now + 2.2 * minute);
  const [first] = running();
  assert.ok(first !== undefined && running().length === 1);
  const run = jobOf(first.pod.start)?.name;
  const { uid } = first.pod.start;
  first.machine.deliver({ type: "evict", uid, within: undefined, why: "drained" });
  world.run(world.now + 20_000);
  assert.deepEqual(
    running().map(({ pod }) => jobOf(pod.start)?.name),
    [run],
  );
  assert.equal(starts.length, 2);
  const [again] = running();
  assert.ok(again !== undefined);
  end(again);
  world.run(world.now + minute);
  assert.notEqual(jobOf(running()[0]?.pod.start ?? again.pod.start)?.name, run);
});

test("whoever waits for the first in line of a job asks it twice, not every 20 ms, and takes over without it", () => {
  const { world, write, running } = fleet();
  write(job());
  world.run(world.now + 5_000);
  const [first] = running();
  assert.ok(first !== undefined);
  // The next job's first in line stands still, and is not yet held for lost.
  const other = fleet();
  const stalled = other.world.machines.find(({ name }) => name === first.machine.name);
  assert.ok(stalled !== undefined);
  stalled.pause(20_000);
  let frames = 0;
  other.world.observers.push({
    sent: (_machine, peer) => {
      if (peer === stalled) frames++;
    },
  });
  const writer = other.world.machines.find((machine) => machine !== stalled);
  assert.ok(writer !== undefined);
  other.write(job(), writer);
  other.world.run(other.world.now + 2_000);
  assert.ok(frames < 60, `${frames} frames to a node that does not answer`);
  other.world.run(other.world.now + 10_000);
  assert.deepEqual(
    other.running().map(({ machine }) => machine === stalled),
    [false],
  );
});

test("where detail stays in sites, a job per site that is over in its author's site goes on in the others", () => {
  const layout = ["oslo", "bern"].map((site) => ({ site, region: site, nodes: 2 }));
  const { world, write, running, end, stops } = fleet(layout, [], "site");
  world.run(world.now + 60_000);
  write(job({ ttlSecondsAfterFinished: 5 }, { "starlight.dev/placement": "perSite" }));
  world.run(world.now + 20_000);
  const at = (site: string) => running().filter(({ machine }) => machine.identity.site === site);
  const [oslo] = at("oslo");
  assert.ok(oslo !== undefined && at("bern").length === 1);
  end(oslo);
  world.run(world.now + 3 * minute);
  assert.equal(at("oslo").length, 0);
  assert.equal(at("bern").length, 1);
  assert.deepEqual(stops, []);
});
