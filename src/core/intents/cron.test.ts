import assert from "node:assert/strict";
import { test } from "node:test";
import { Cron as Croner } from "croner";
import * as fc from "fast-check";
import { latestRun, nextRun, parseCron, type Cron } from "./cron.ts";

const parsed = (text: string): Cron => {
  const cron = parseCron(text);
  assert.ok(cron.ok, `${text}: ${cron.ok ? "" : cron.error}`);
  return cron.value;
};

const field = (min: number, max: number): fc.Arbitrary<string> => {
  const value = fc.integer({ min, max });
  const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const step = fc.integer({ min: 1, max: 6 });
  const one = fc.oneof(
    value.map(String),
    range,
    fc.tuple(range, step).map(([of, by]) => `${of}/${by}`),
    step.map((by) => `*/${by}`),
  );
  const list = fc.array(one, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(","));
  return fc.oneof(fc.constant("*"), list);
};

// Of the days only one kind is restricted here: croner and Kubernetes differ in what a star with a step is.
const days = fc.oneof(
  fc.tuple(field(1, 31), fc.constant("*")),
  fc.tuple(fc.constant("*"), field(0, 6)),
  fc.tuple(fc.integer({ min: 1, max: 31 }).map(String), fc.integer({ min: 0, max: 6 }).map(String)),
);
const schedule = fc
  .tuple(field(0, 59), field(0, 23), days, field(1, 12))
  .map(([minute, hour, [day, weekday], month]) => `${minute} ${hour} ${day} ${month} ${weekday}`);
const moment = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2060, 0) });
/** Asked late in a February of 28 days, croner 11 passes over the first days of March. */
const isInFebruary = (at: number): boolean => new Date(at).getUTCMonth() === 1;

test("the next run of any schedule is the one that croner finds, over 400 schedules and moments", () => {
  fc.assert(
    fc.property(schedule, moment, (text, at) => {
      fc.pre(!isInFebruary(at));
      const cron = parseCron(text);
      const theirs = new Croner(text, { timezone: "UTC", paused: true }).nextRun(new Date(at))?.getTime();
      // A day that never comes, such as the 31st of February, is refused.
      assert.equal(cron.ok ? nextRun(cron.value, at) : undefined, theirs);
    }),
    { numRuns: 400 },
  );
});

test("the latest run is the one before which no other comes until the moment, over 200 schedules", () => {
  fc.assert(
    fc.property(schedule, moment, (text, at) => {
      const cron = parseCron(text);
      fc.pre(cron.ok);
      const latest = latestRun(cron.value, at, 0);
      assert.ok(latest !== undefined && latest <= at);
      assert.equal(nextRun(cron.value, latest - 1), latest);
      assert.ok((nextRun(cron.value, latest) ?? Number.POSITIVE_INFINITY) > at);
      assert.equal(latestRun(cron.value, at, latest + 1), undefined);
    }),
    { numRuns: 200 },
  );
});

test("names, macros and steps are read as Kubernetes reads them", () => {
  const at = Date.UTC(2026, 0, 1, 0, 30);
  for (const [text, next] of [
    ["@hourly", "2026-01-01T01:00"],
    ["@weekly", "2026-01-04T00:00"],
    ["0 0 29 FEB *", "2028-02-29T00:00"],
    ["5/20 * * * *", "2026-01-01T00:45"],
    ["0 9 * * mon-fri", "2026-01-01T09:00"],
    ["0 0 13 * 5", "2026-01-02T00:00"],
    // A star with a step restricts, so either day is enough.
    ["0 0 */10 * 5", "2026-01-02T00:00"],
  ] as const) {
    assert.equal(new Date(nextRun(parsed(text), at) ?? 0).toISOString().slice(0, 16), next, text);
  }
  const lateInFebruary = Date.UTC(2023, 1, 26);
  assert.equal(nextRun(parsed("0 0 */5 * *"), lateInFebruary), Date.UTC(2023, 2, 1));
});

test("what is no schedule is refused by the field that is wrong", () => {
  for (const [text, error] of [
    ["* * * *", /4 fields/],
    ["60 * * * *", /"60" as minute \(0 to 59\)/],
    ["* * * * 7", /"7" as day of the week \(0 to 6\)/],
    ["*/0 * * * *", /as minute/],
    ["5-1 * * * *", /as minute/],
    ["* * * JANFEB *", /as month/],
    ["0 0 31 2 *", /a day that never comes/],
    ["@reboot", /1 fields/],
  ] as const) {
    const cron = parseCron(text);
    assert.ok(!cron.ok && error.test(cron.error), text);
  }
});
