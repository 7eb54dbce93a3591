import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as hold, integer, property } from "fast-check";
import { createMeter } from "./splice.ts";

test("a second's worth passes at once, and what goes beyond waits for its share of a second", () => {
  let now = 0;
  const meter = createMeter(1_000, () => now);
  assert.equal(meter.passed(1_000), 0);
  assert.equal(meter.passed(500), 500);
  now = 500;
  assert.equal(meter.passed(0), 0);
  assert.equal(meter.passed(250), 250);
});

test("whoever waits as told passes at most the rate and one second's worth, whatever the chunks", () => {
  hold(
    property(array(integer({ min: 1, max: 70_000 }), { maxLength: 200 }), (chunks) => {
      const rate = 100_000;
      let now = 0;
      let bytes = 0;
      const meter = createMeter(rate, () => now);
      for (const chunk of chunks) {
        bytes += chunk;
        now += meter.passed(chunk);
        assert.ok(bytes <= rate + (rate * now) / 1_000 + 1, `${bytes} bytes in ${now} ms`);
      }
    }),
  );
});
