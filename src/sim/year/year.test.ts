import assert from "node:assert/strict";
import { test } from "node:test";
import { runExclusiveSite } from "./exclusive-site.ts";
import { kubernetesTimes, runHubSite } from "./hub-site.ts";
import { meshTimes, runYear } from "./run-year.ts";
import { momentsOf } from "./site-world.ts";
import { outagesOf, shopClimate, yearS, type Climate, type Outage } from "./weather.ts";

const hour = 3_600;
const day = 24 * hour;
const outage = (fault: Outage["fault"], fromS: number, toS: number, node?: number): Outage => ({
  fault,
  node,
  fromS,
  toS,
});

test("a year of good weather is served whole by both", () => {
  const calm = Object.fromEntries(
    Object.entries(shopClimate).map(([fault, times]) => [fault, { ...times, perYear: 1e-9 }]),
  ) as Climate;
  const year = runYear({ seed: 1, nodes: 12, days: 365, climate: calm }, () => {});
  for (const { mesh, hub } of year.results) {
    for (const score of [...mesh, ...hub]) {
      assert.equal(score.servedS, score.seconds);
      assert.equal(score.duplicateS, 0);
      assert.equal(score.moves, 0);
    }
  }
});

test("the same seed gives the same year, another seed another", () => {
  const options = { nodes: 12, days: 30, climate: shopClimate };
  const one = runYear({ ...options, seed: 5 }, () => {});
  assert.deepEqual(runYear({ ...options, seed: 5 }, () => {}).results, one.results);
  assert.notDeepEqual(runYear({ ...options, seed: 6 }, () => {}).results, one.results);
});

test("outages come as often as the climate says, and half of them are shorter than the median", () => {
  const seconds = 200 * yearS;
  const uplink = outagesOf(shopClimate, { seed: 3, site: "oslo", nodes: 1, seconds }).filter(
    ({ fault }) => fault === "uplink",
  );
  const perYear = uplink.length / 200;
  assert.ok(Math.abs(perYear - shopClimate.uplink.perYear) < 2, String(perYear));
  const short = uplink.filter(({ fromS, toS }) => toS - fromS < shopClimate.uplink.medianS).length;
  assert.ok(Math.abs(short / uplink.length - 0.5) < 0.03, String(short / uplink.length));
});

test("an exclusive workload never runs twice, and a split stops it only in the smaller half", () => {
  const year = runYear({ seed: 9, nodes: 60, days: 365, climate: shopClimate }, () => {});
  for (const { kind, mesh } of year.results) {
    if (kind.policy === "majority") for (const score of mesh) assert.equal(score.duplicateS, 0);
  }
  // Machine 0 holds it; machines 1 and 2 are the majority from hour 2 to hour 3.
  const moments = momentsOf([outage("split", 2 * hour, 3 * hour, 1)], 3);
  const score = runExclusiveSite(meshTimes, 3, moments, day * 1000);
  const gapMs = meshTimes.promiseMs - meshTimes.leaseMs + meshTimes.podStartMs;
  assert.deepEqual(score.gapsS, [gapMs / 1000]);
});

test("a machine that restarts while its site is cut off: the hub's stays empty until the line is back", () => {
  const outages = [outage("uplink", 2 * hour, 6 * hour), outage("reboot", 3 * hour, 3 * hour + 60, 0)];
  const spoke = { replicas: 1, stateful: false };
  const hub = runHubSite(kubernetesTimes, 1, spoke, momentsOf(outages, 1), day * 1000);
  const [gap = 0] = hub.gapsS;
  assert.equal(hub.gapsS.length, 1);
  assert.equal(gap, 3 * hour + kubernetesTimes.podStartMs / 1000);
});

test("a line that is down for longer than 340 s costs a hub's site a restart, a shorter one nothing", () => {
  const spoke = { replicas: 2, stateful: false };
  const cut = (seconds: number): Outage[] => [outage("uplink", 2 * hour, 2 * hour + seconds)];
  const longer = runHubSite(kubernetesTimes, 3, spoke, momentsOf(cut(341), 3), day * 1000);
  const shorter = runHubSite(kubernetesTimes, 3, spoke, momentsOf(cut(339), 3), day * 1000);
  assert.deepEqual(longer.gapsS, [kubernetesTimes.podStartMs / 1000]);
  assert.deepEqual(shorter.gapsS, []);
});
