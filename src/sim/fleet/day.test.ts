import assert from "node:assert/strict";
import { test } from "node:test";
import { runInThreads } from "../shard-threads.ts";
import { simConfig } from "../run-seed.ts";
import { disagreement } from "./agreement.ts";
import { liveADay, type Day } from "./day.ts";
import { createFleet } from "./fleet.ts";
import { keepNotes } from "./notes.ts";
import { saidSoFar, unheardBy } from "./said.ts";
import { watchFleet } from "./watch.ts";

const small = { nodes: 18, nodesPerSite: 3, sitesPerRegion: 3, config: simConfig } as const;

/** Of several differences each looks at its own first. */
const withoutWhatDiffered = ({ afterWeather, afterCut, ...day }: Day) => ({
  ...day,
  afterWeather: { ...afterWeather, last: undefined },
  afterCut: { ...afterCut, last: undefined },
});

const short = { weatherMs: 120_000, cutMs: 60_000, calmMaxMs: 300_000 } as const;

test("a day of 18 nodes: 3 join, 2 go, all faults happen, every invariant holds, and the cut heals within 30 s", () => {
  const day = liveADay({ ...small, ...short, seed: 1 });
  assert.deepEqual(day.violations, []);
  assert.deepEqual([day.joined, day.gone, day.notes], [3, 2, 24]);
  assert.ok(
    Object.values(day.strikes).every((count) => count > 0),
    JSON.stringify(day.strikes),
  );
  const { agreedMs, last } = day.afterCut;
  assert.ok(agreedMs !== undefined && agreedMs <= 30_000, `${agreedMs} ms, last ${last}`);
  assert.ok((day.told["NodeDead"] ?? 0) > 0, "some processes ended");
});

test("the same seed gives the same day, byte by byte", () => {
  const tiny = { ...small, ...short, nodes: 9, weatherMs: 30_000, seed: 3 };
  assert.deepEqual(liveADay(tiny), liveADay(tiny));
});

test("however many threads run a fleet, its day is the same", async () => {
  const options = {
    ...small,
    ...short,
    nodesPerSite: 2,
    sitesPerRegion: 3,
    nested: true,
    weatherMs: 60_000,
    seed: 7,
  };
  const alone = withoutWhatDiffered(liveADay(options));
  const module = new URL("./day-thread.ts", import.meta.url);
  for (const shards of [2, 3])
    assert.deepEqual(
      withoutWhatDiffered((await runInThreads({ module, shards, data: options })) as Day),
      alone,
      `${shards} threads`,
    );
});

test("the checks tell of a member that is down, of a forgotten one, and of a death in vain", () => {
  const fleet = createFleet({ ...small, seed: 2 });
  const notes = keepNotes(fleet);
  const watch = watchFleet(fleet);
  const { world } = fleet;
  for (const machine of fleet.members) machine.startAgent();
  world.run(150_000);
  const said = saidSoFar(fleet);
  assert.equal(disagreement(fleet, notes, said), undefined);
  watch.nobodyForgotten();
  assert.deepEqual(world.violations, []);

  const [first, second] = fleet.members;
  assert(first !== undefined && second !== undefined);
  world.noted(first, { level: "warning", reason: "NodeDead", message: `${second.name}: alive -> dead` });
  assert.match(world.violations[0] ?? "", /site-0-1 holds site-0-2 dead, whose process runs on/);
  second.killAgent();
  assert.match(disagreement(fleet, notes, said) ?? "", /site-0-2 is down/);
  second.startAgent();
  world.run(250_000);
  assert.equal(disagreement(fleet, notes, said), undefined);
  const wall = world.network.wallIn([first.host]);
  world.run(300_000);
  assert.match(disagreement(fleet, notes, said) ?? "", /^4: site-0-\d holds site-0-\d for unreachable/);
  notes.write(second);
  world.run(310_000);
  const saidApart = saidSoFar(fleet);
  const unheard = (): readonly boolean[] =>
    [first, second].map((machine) => unheardBy(machine, saidApart, new Set()) !== undefined);
  assert.equal(unheard()[0], true);
  world.network.lower(wall);
  world.run(340_000);
  assert.deepEqual(unheard(), [false, false]);
});
