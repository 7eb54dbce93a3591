import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decodeFrame, encodeFrame, type MembershipFrame } from "./frames.ts";
import { verdictsOf, type FirstHand } from "./verdicts.ts";

const names = ["a", "b", "c", "d", "e"];
const name = fc.constantFrom(...names);
const firstHand: fc.Arbitrary<ReadonlyMap<string, FirstHand>> = fc
  .uniqueArray(fc.tuple(name, fc.boolean(), fc.boolean()), { selector: ([name]) => name })
  .map((entries) => new Map(entries.map(([name, linked, processGone]) => [name, { linked, processGone }])));
const reports: fc.Arbitrary<ReadonlyMap<string, readonly string[]>> = fc
  .array(fc.tuple(fc.oneof(name, fc.constant("stranger")), fc.array(name)))
  .map((entries) => new Map(entries));

const peers = (
  ...entries: readonly (readonly [string, "linked" | "gone" | "unknown"])[]
): Map<string, FirstHand> =>
  new Map(entries.map(([name, is]) => [name, { linked: is === "linked", processGone: is === "gone" }]));

test("a report counts when its observer is alive, directly or through others", () => {
  const known = peers(["a", "linked"], ["b", "unknown"], ["c", "unknown"], ["d", "unknown"]);
  const told = new Map([
    ["a", ["b"]],
    ["b", ["c"]],
  ]);
  assert.deepEqual(
    [...verdictsOf(known, told)],
    [
      ["a", "alive"],
      ["b", "alive"],
      ["c", "alive"],
      ["d", "unreachable"],
    ],
  );
});

test("two nodes out of reach do not keep each other alive, nor does a stranger", () => {
  const known = peers(["a", "unknown"], ["b", "gone"], ["c", "linked"]);
  const told = new Map([
    ["a", ["b"]],
    ["b", ["a"]],
    ["c", ["stranger"]],
    ["stranger", ["a", "b"]],
  ]);
  assert.deepEqual(
    [...verdictsOf(known, told)],
    [
      ["a", "unreachable"],
      ["b", "dead"],
      ["c", "alive"],
    ],
  );
});

test("everybody we know gets a verdict, and nobody else, for any observations", () => {
  fc.assert(
    fc.property(firstHand, reports, (known, told) => {
      assert.deepEqual([...verdictsOf(known, told).keys()], [...known.keys()]);
    }),
  );
});

test("a link of our own means alive, and dead needs evidence of our own, for any observations", () => {
  fc.assert(
    fc.property(firstHand, reports, (known, told) => {
      for (const [name, verdict] of verdictsOf(known, told)) {
        if (known.get(name)?.linked === true) assert.equal(verdict, "alive");
        if (verdict === "dead") assert.equal(known.get(name)?.processGone, true);
        if (verdict === "unreachable") assert.equal(known.get(name)?.processGone, false);
      }
    }),
  );
});

test("a further report never makes anybody less alive", () => {
  fc.assert(
    fc.property(firstHand, reports, name, fc.array(name), (known, told, observer, more) => {
      const before = verdictsOf(known, told);
      const after = verdictsOf(
        known,
        new Map([...told, [observer, [...(told.get(observer) ?? []), ...more]]]),
      );
      for (const [name, verdict] of before) if (verdict === "alive") assert.equal(after.get(name), "alive");
    }),
  );
});

test("the order in which peers and reports came does not matter", () => {
  fc.assert(
    fc.property(firstHand, reports, (known, told) => {
      const sorted = (verdicts: ReadonlyMap<string, string>): string[] => [...verdicts].map(String).sort();
      const reversed = verdictsOf(new Map([...known].reverse()), new Map([...told].reverse()));
      assert.deepEqual(sorted(reversed), sorted(verdictsOf(known, told)));
    }),
  );
});

const frame: fc.Arbitrary<MembershipFrame> = fc.oneof(
  fc.record(
    {
      type: fc.constantFrom("ping" as const, "pong" as const),
      number: fc.maxSafeNat(),
      wall: fc.maxSafeNat(),
    },
    { noNullPrototype: true },
  ),
  fc.constantFrom({ type: "use" as const }, { type: "beat" as const }),
);

test("a frame reads back as it was written; with a byte more or less it does not", () => {
  fc.assert(
    fc.property(frame, (frame) => {
      const bytes = encodeFrame(frame);
      assert.deepEqual(decodeFrame(bytes), frame);
      assert.equal(decodeFrame(new Uint8Array([...bytes, 0])), undefined);
      assert.equal(decodeFrame(bytes.subarray(0, -1)), undefined);
    }),
  );
});

test("bytes that are no frame are undefined and never throw", () => {
  for (const bytes of [[], [3, 0], [0], [1], [2, 0], [0, 0x80]])
    assert.equal(decodeFrame(new Uint8Array(bytes)), undefined, bytes.join());
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => void decodeFrame(bytes)));
});
