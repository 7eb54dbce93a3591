import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  aheadOf,
  epochMs,
  observe,
  tick,
  versionAt,
  versionMax,
  versionNone,
  wallOf,
  type HybridClock,
  type Version,
} from "./hybrid-clock.ts";

const year2024 = Date.UTC(2024, 0, 1);
/** The last whole millisecond whose 4096 stamps are all exact integers. */
const lastWall = epochMs + 2 ** 41 - 1;
const wall = fc.integer({ min: epochMs, max: lastWall });

const isStamp = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

test("a stamp is the milliseconds since 2020-01-01 times 4096, and reads back as that wall time", () => {
  assert.equal(epochMs, Date.UTC(2020, 0, 1));
  assert.equal(versionAt(epochMs), 0);
  assert.equal(versionAt(epochMs + 1), 4096);
  assert.equal(versionAt(year2024), (year2024 - epochMs) * 4096);
  fc.assert(
    fc.property(wall, fc.nat(4095), (at, counter) => {
      assert.equal(wallOf(versionAt(at)), at);
      assert.equal(wallOf(versionAt(at) + counter), at);
    }),
  );
});

test("every stamp until the year 2089 is an exact integer", () => {
  assert.ok(lastWall > Date.UTC(2089, 0, 1));
  assert.ok(isStamp(versionAt(lastWall) + 4095));
  assert.ok(versionAt(lastWall) > versionAt(lastWall - 1));
});

test("a machine that booted in 1970 stamps 0, and one far beyond 2089 the largest stamp", () => {
  assert.equal(versionAt(0), versionNone);
  assert.equal(versionAt(epochMs - 1), versionNone);
  assert.equal(versionAt(Date.UTC(3000, 0, 1)), versionMax);
});

test("a part of a millisecond is cut off, so equal milliseconds give equal first stamps", () => {
  assert.equal(versionAt(year2024 + 0.999), versionAt(year2024));
});

test("4096 stamps fit into one millisecond, and the next carries into the millisecond after", () => {
  const clock: HybridClock = { last: versionNone };
  const stamps = Array.from({ length: 4097 }, () => tick(clock, year2024));
  assert.equal(stamps[0], versionAt(year2024));
  assert.equal(stamps[4095], versionAt(year2024) + 4095);
  assert.equal(wallOf(stamps[4095] ?? 0), year2024);
  assert.equal(stamps[4096], versionAt(year2024 + 1));
});

test("a clock follows the wall clock when that is ahead, and counts on when it jumps back", () => {
  const clock: HybridClock = { last: versionNone };
  assert.equal(tick(clock, year2024), versionAt(year2024));
  assert.equal(tick(clock, year2024 + 5), versionAt(year2024 + 5));
  assert.equal(tick(clock, year2024 - 86_400_000), versionAt(year2024 + 5) + 1);
});

type Happening =
  | { readonly type: "tick"; readonly wall: number }
  | { readonly type: "observe"; readonly version: Version };

const happenings: fc.Arbitrary<readonly Happening[]> = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("tick" as const), wall: fc.integer({ min: 0, max: lastWall - 1000 }) }),
    fc.record({
      type: fc.constant("observe" as const),
      version: fc.integer({ min: 0, max: versionMax - 4096 }),
    }),
  ),
  { maxLength: 40 },
);

test("every stamp is larger than all that its clock made or saw, however the wall clock jumps", () => {
  fc.assert(
    fc.property(happenings, (history) => {
      const clock: HybridClock = { last: versionNone };
      let highest: Version = versionNone;
      for (const happening of history) {
        if (happening.type === "observe") {
          observe(clock, happening.version);
          highest = Math.max(highest, happening.version);
          continue;
        }
        const stamp = tick(clock, happening.wall);
        assert.ok(stamp > highest, `${stamp} after ${highest}`);
        assert.ok(stamp >= versionAt(happening.wall));
        assert.ok(isStamp(stamp));
        highest = stamp;
      }
      assert.equal(clock.last, highest);
    }),
  );
});

test("observing an older stamp, or the same one twice, leaves the clock as it is", () => {
  const clock: HybridClock = { last: 100 };
  observe(clock, 99);
  assert.equal(clock.last, 100);
  observe(clock, 200);
  observe(clock, 200);
  assert.equal(clock.last, 200);
});

test("an answer to a stamp from a clock 1 hour ahead is larger than it by exactly 1", () => {
  const fast: HybridClock = { last: versionNone };
  const slow: HybridClock = { last: versionNone };
  const question = tick(fast, year2024 + 3_600_000);
  observe(slow, question);
  assert.equal(tick(slow, year2024), question + 1);
});

test("drift is how many milliseconds a stamp lies ahead of the wall clock, and 0 for one that lies behind", () => {
  assert.equal(aheadOf(year2024, versionAt(year2024 + 1500)), 1500);
  assert.equal(aheadOf(year2024, versionAt(year2024 + 1500) + 4095), 1500);
  assert.equal(aheadOf(year2024, versionAt(year2024)), 0);
  assert.equal(aheadOf(year2024, versionAt(year2024 - 1500)), 0);
  fc.assert(
    fc.property(wall, fc.nat(10_000_000), (now, ahead) => {
      if (now + ahead <= lastWall) assert.equal(aheadOf(now, versionAt(now + ahead)), ahead);
    }),
  );
});

test("a clock that saw the largest stamp stands still there: its stamps stay exact, and none is above 2^53 - 1", () => {
  const clock: HybridClock = { last: versionNone };
  observe(clock, versionMax - 1);
  for (const wall of [year2024, Number.MAX_SAFE_INTEGER, 0]) {
    assert.equal(tick(clock, wall), versionMax);
    assert.ok(isStamp(clock.last));
  }
});
