import assert from "node:assert/strict";
import { test } from "node:test";
import { simConfig } from "../run-seed.ts";
import { createFleet } from "./fleet.ts";
import { meterTraffic } from "./traffic.ts";

test("what each node sent is counted by itself, also when one has left meanwhile", () => {
  const fleet = createFleet({ seed: 1, nodes: 9, nodesPerSite: 3, sitesPerRegion: 3, config: simConfig });
  const { world, members } = fleet;
  for (const machine of members) machine.startAgent();
  world.run(20_000);
  const meter = meterTraffic(fleet);
  const before = world.everybody.map(({ host }) => world.network.sentBy(host));
  const [leaver] = members;
  assert(leaver !== undefined);
  members.delete(leaver);
  world.depart(leaver, "left");
  world.run(30_000);
  const rateOf = (host: number): number => (world.network.sentBy(host) - (before[host] ?? 0)) / 10;
  meter.sample(Number.POSITIVE_INFINITY);
  const { meanBytesPerSecond, mostBytesPerSecond } = meter.read();
  const rates = [...members].map(({ host }) => rateOf(host));
  assert.equal(mostBytesPerSecond, Math.max(...rates, rateOf(leaver.host)));
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  assert.ok(Math.abs(meanBytesPerSecond - mean) < 1e-6, `${meanBytesPerSecond} is not ${mean}`);
});
