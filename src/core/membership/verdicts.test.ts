import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decodeFrame, encodeFrame, type MembershipFrame } from "./frames.ts";
import { verdictsOf, type FirstHand, type Told } from "./verdicts.ts";

const names = ["a", "b", "c", "d", "e"];
const name = fc.constantFrom(...names);
const site = fc.constantFrom("oslo", "bern");
const firstHand: fc.Arbitrary<ReadonlyMap<string, FirstHand>> = fc
  .uniqueArray(fc.tuple(name, site, fc.boolean(), fc.boolean()), { selector: ([name]) => name })
  .map(
    (entries) =>
      new Map(entries.map(([name, site, linked, processGone]) => [name, { site, linked, processGone }])),
  );
const told = (peers: readonly string[], gone: readonly string[] = []): Told => ({
  peers: new Set(peers),
  gone: new Set(gone),
});
const reports: fc.Arbitrary<ReadonlyMap<string, Told>> = fc
  .array(fc.tuple(fc.oneof(name, fc.constant("stranger")), fc.array(name), fc.array(name)))
  .map((entries) => new Map(entries.map(([observer, peers, gone]) => [observer, told(peers, gone)])));

const peers = (
  ...entries: readonly (readonly [string, "linked" | "gone" | "unknown"])[]
): Map<string, FirstHand> =>
  new Map(
    entries.map(([name, is]) => [
      name,
      { site: "oslo", linked: is === "linked", processGone: is === "gone" },
    ]),
  );

test("a report counts when its observer is alive, directly or through others", () => {
  const known = peers(["a", "linked"], ["b", "unknown"], ["c", "unknown"], ["d", "unknown"]);
  const said = new Map([
    ["a", told(["b"])],
    ["b", told(["c"])],
  ]);
  assert.deepEqual(
    [...verdictsOf(known, said)],
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
  const said = new Map([
    ["a", told(["b"])],
    ["b", told(["a"])],
    ["c", told(["stranger"])],
    ["stranger", told(["a", "b"])],
  ]);
  assert.deepEqual(
    [...verdictsOf(known, said)],
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

test("a link of our own means alive, and dead needs hard evidence, ours or of its site, for any observations", () => {
  fc.assert(
    fc.property(firstHand, reports, (known, told) => {
      for (const [name, verdict] of verdictsOf(known, told)) {
        if (known.get(name)?.linked === true) assert.equal(verdict, "alive");
        const claimed = [...told].some(
          ([by, { gone }]) => gone.has(name) && known.get(by)?.site === known.get(name)?.site,
        );
        if (verdict === "dead") assert.ok(known.get(name)?.processGone === true || claimed);
        if (verdict === "unreachable") assert.equal(known.get(name)?.processGone, false);
      }
    }),
  );
});

const withMore = (before: Told | undefined, more: readonly string[]): Told => ({
  peers: new Set([...(before?.peers ?? []), ...more]),
  gone: before?.gone ?? new Set(),
});

test("two of its site who saw a process go are believed, one is not, unless there is no other", () => {
  const known = peers(["a", "linked"], ["b", "linked"], ["x", "unknown"]);
  const verdictOfX = (of: ReadonlyMap<string, FirstHand>, said: ReadonlyMap<string, Told>) =>
    verdictsOf(of, said).get("x");
  assert.equal(verdictOfX(known, new Map([["a", told([], ["x"])]])), "unreachable");
  const both = new Map([
    ["a", told([], ["x"])],
    ["b", told([], ["x"])],
  ]);
  assert.equal(verdictOfX(known, both), "dead");
  assert.equal(
    verdictOfX(peers(["a", "linked"], ["x", "unknown"]), new Map([["a", told([], ["x"])]])),
    "dead",
  );
});

test("the word of another site, of somebody out of reach, or against a link that is alive, kills nobody", () => {
  const known = peers(["a", "linked"], ["b", "unknown"], ["x", "unknown"]);
  const far = new Map(known).set("a", { site: "bern", linked: true, processGone: false });
  assert.equal(verdictsOf(far, new Map([["a", told([], ["x"])]])).get("x"), "unreachable");
  assert.equal(verdictsOf(known, new Map([["b", told([], ["x"])]])).get("x"), "unreachable");
  const seen = new Map([
    ["a", told(["b", "x"], [])],
    ["b", told([], ["x"])],
  ]);
  assert.equal(verdictsOf(known, seen).get("x"), "alive");
});

test("a further report never makes anybody less alive", () => {
  fc.assert(
    fc.property(firstHand, reports, name, fc.array(name), (known, told, observer, more) => {
      const before = verdictsOf(known, told);
      const after = verdictsOf(known, new Map([...told, [observer, withMore(told.get(observer), more)]]));
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

const exact = { noNullPrototype: true };
const number = fc.maxSafeNat();
const id = fc.stringMatching(/^[0-9a-f]{20}$/);
const saw = fc.constantFrom("heard" as const, "lost" as const, "apart" as const);
const frame: fc.Arbitrary<MembershipFrame> = fc.oneof(
  fc.record({ type: fc.constant("ping" as const), number, wall: number, next: number }, exact),
  fc.record({ type: fc.constant("pong" as const), number, wall: number }, exact),
  fc.constant({ type: "use" as const }),
  fc.record({ type: fc.constant("beat" as const), next: number }, exact),
  fc.record({ type: fc.constant("probe" as const), number, peer: id }, exact),
  fc.record({ type: fc.constant("answer" as const), number, saw }, exact),
  fc.record({ type: fc.constant("away" as const), for: number }, exact),
  fc.constant({ type: "unneeded" as const }),
);

test("a frame reads back as it was written; with a byte more it does not", () => {
  fc.assert(
    fc.property(frame, (frame) => {
      const bytes = encodeFrame(frame);
      assert.deepEqual(decodeFrame(bytes), frame);
      assert.equal(decodeFrame(new Uint8Array([...bytes, 0])), undefined);
    }),
  );
});

test("bytes that are no frame are undefined and never throw", () => {
  for (const bytes of [[], [3], [3, 0, 0], [0], [1], [2, 0], [0, 0x80], [4, 1, 2], [5, 1, 3], [5, 1]])
    assert.equal(decodeFrame(new Uint8Array(bytes)), undefined, bytes.join());
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => void decodeFrame(bytes)));
});
