import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkClass } from "../records/link-class.ts";
import type { NodeState } from "./state.ts";
import { judgeRoundTrips, ownClass } from "./uplink-class.ts";

/** An uplink with one link per round trip, as far as its class is concerned. */
function uplinkOf(declared: LinkClass, roundTrips: readonly (number | undefined)[]) {
  const trips = [...roundTrips];
  /** Again and again, unless a moment is given. */
  const measured: { at: number | undefined } = { at: undefined };
  const state = {
    config: { uplink: declared, uplinkBytesPerDay: 0 },
    status: undefined,
    uplink: {
      bytes: 0,
      linkById: new Map(trips.map((_, at) => [at, { peer: `${at}` }])),
      roundTrips: { far: false, otherwiseSince: undefined, lookAt: 0 },
    },
    membership: {
      roundTrip: (peer: string) => ({ roundTrip: trips[Number(peer)], answeredFrom: measured.at ?? now }),
    },
  } as unknown as NodeState;
  let now = 0;
  const pass = (ms: number): LinkClass => {
    for (const end = now + ms; now < end; now += 1_000) judgeRoundTrips(state, now);
    return ownClass(state);
  };
  return { trips, measured, pass };
}

test("round trips of 400 ms and more for a minute make any uplink a satellite, 300 to 400 ms leave it one", () => {
  for (const declared of ["lan", "wan", "cellular"] as const) {
    const { trips, pass } = uplinkOf(declared, [600, 420]);
    assert.equal(pass(59_000), declared);
    assert.equal(pass(3_000), "satellite");
    trips[1] = 320;
    assert.equal(pass(3_600_000), "satellite");
    trips[1] = 80;
    assert.equal(pass(599_000), "satellite");
    assert.equal(pass(3_000), declared);
  }
});

test("round trips that were measured once, as an outage ended, make no satellite until they are measured again", () => {
  const { trips, measured, pass } = uplinkOf("cellular", [2_500, 1_800]);
  measured.at = 0;
  assert.equal(pass(130_000), "cellular");
  [trips[0], trips[1], measured.at] = [120, 90, 130_000];
  assert.equal(pass(600_000), "cellular");
  [trips[0], trips[1], measured.at] = [700, 650, 730_000];
  assert.equal(pass(130_000), "cellular");
  measured.at = 860_000;
  assert.equal(pass(2_000), "satellite");
});

test("one near site is enough: what is far is the other end, and a minute that was interrupted does not count", () => {
  const { trips, pass } = uplinkOf("wan", [700, 40]);
  assert.equal(pass(600_000), "wan");
  trips[1] = 700;
  assert.equal(pass(50_000), "wan");
  trips[1] = 40;
  assert.equal(pass(2_000), "wan");
  trips[1] = 700;
  assert.equal(pass(50_000), "wan");
});

test("short round trips never make a declared satellite anything cheaper, and unmeasured ones change nothing", () => {
  assert.equal(uplinkOf("satellite", [5]).pass(3_600_000), "satellite");
  assert.equal(uplinkOf("wan", [undefined]).pass(3_600_000), "wan");
  assert.equal(uplinkOf("wan", []).pass(3_600_000), "wan");
});
