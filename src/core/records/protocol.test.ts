import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { commonProtocol, rangeText, readRange, spoken, type ProtocolRange } from "./protocol.ts";

const range = fc
  .tuple(fc.nat(9), fc.nat(9))
  .map(([a, b]): ProtocolRange => ({ min: Math.min(a, b), max: Math.max(a, b) }));

test("two ends find the highest protocol that both speak, the same from either side, or none", () => {
  fc.assert(
    fc.property(range, range, (left, right) => {
      const all = Array.from({ length: 10 }, (_, at) => at);
      const speaks = ({ min, max }: ProtocolRange, number: number): boolean => number >= min && number <= max;
      const expected = all.findLast((number) => speaks(left, number) && speaks(right, number));
      assert.equal(commonProtocol(left, right), expected);
      assert.equal(commonProtocol(right, left), expected);
    }),
  );
});

test("a range is written as 2 or 2-3 and read back; other texts, also 3-2, are no range", () => {
  fc.assert(fc.property(range, (given) => assert.deepEqual(readRange(rangeText(given)), given)));
  for (const text of ["", "-", "2-", "-3", "3-2", "2-3-4", "two", "1e3", "2.5", "12345678"])
    assert.equal(readRange(text), undefined, text);
  assert.deepEqual(readRange(rangeText(spoken)), spoken);
});
