import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { randomStream } from "../../core/kernel/random.ts";
import { forecast, rates, type Ground, type StrikeType } from "./forecast.ts";

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `site-${at}`);

const ground = (sites: number): Ground => ({
  sites: names(sites),
  cellular: names(Math.ceil(sites / 10)),
  hosts: Array.from({ length: 5 * sites }, (_, at) => at),
});

const day = 86_400_000;

test("a day over 1 to 300 sites has every kind of fault, as many as its rate says, within the day", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 300 }), (seed, sites) => {
      const place = ground(sites);
      const strikes = forecast(randomStream(seed, "weather"), place, day);
      const placesOf: { readonly [type in StrikeType]: number } = {
        "site-cut-off": sites,
        "uplink-flaps": place.cellular.length,
        "power-cut": sites,
        reboot: 5 * sites,
        "agent-restart": 5 * sites,
        stall: 5 * sites,
      };
      for (const [type, places] of Object.entries(placesOf) as [StrikeType, number][]) {
        const expected = Math.max(1, Math.round(rates[type].perDay * places));
        assert.equal(strikes.filter((strike) => strike.type === type).length, expected, type);
      }
      for (const { at, forMs } of strikes) assert.ok(at >= 0 && forMs >= 0 && at + forMs <= day);
      const times = strikes.map(({ at }) => at);
      assert.deepEqual(
        times,
        times.toSorted((left, right) => left - right),
      );
    }),
    { numRuns: 30 },
  );
});

test("20 minutes at the pace of life over 1 to 3,000 sites have a 72nd of a day's faults, rounded up or down", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 3_000 }), (seed, sites) => {
      const span = day / 72;
      const strikes = forecast(randomStream(seed, "weather"), ground(sites), span, 1);
      const stalls = strikes.filter(({ type }) => type === "stall").length;
      const expected = (rates.stall.perDay * 5 * sites) / 72;
      assert.ok(Math.abs(stalls - expected) < 1, `${stalls} of ${expected}`);
      for (const { at, forMs } of strikes) assert.ok(at >= 0 && forMs >= 0 && at + forMs <= span);
    }),
    { numRuns: 30 },
  );
});

test("of 2,000 outages of sites half last 7 to 9 minutes or less, and one in ten 45 to 66 minutes or more", () => {
  const random = randomStream(1, "outages");
  const lasting = Array.from({ length: 2_000 }, () => rates["site-cut-off"].lasts(random) / 60_000);
  const at = (share: number): number =>
    lasting.toSorted((left, right) => left - right)[share * lasting.length] ?? 0;
  assert.ok(at(0.5) >= 7 && at(0.5) <= 9, `${at(0.5)}`);
  assert.ok(at(0.9) >= 45 && at(0.9) <= 66, `${at(0.9)}`);
});

test("the same seed gives the same weather, another seed another", () => {
  const drawn = (seed: number) => forecast(randomStream(seed, "weather"), ground(20), day);
  assert.deepEqual(drawn(4), drawn(4));
  assert.notDeepEqual(drawn(4), drawn(5));
});
