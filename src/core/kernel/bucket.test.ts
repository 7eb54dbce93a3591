import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { fill, fullAt, fullBucket } from "./bucket.ts";

test("over any window no more than the burst and what flowed in is taken, plus what the last piece overdraws", () => {
  const piece = fc.record({ after: fc.nat(3_000), bytes: fc.integer({ min: 1, max: 2_000 }) });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const rate = { perSecond: 1_000, burst: 4_000 };
      const bucket = fullBucket(rate, 0);
      const taken: { at: number; bytes: number }[] = [];
      let now = 0;
      for (const { after, bytes } of pieces) {
        now += after;
        if (fill(bucket, rate, now) <= 0) continue;
        bucket.level -= bytes;
        taken.push({ at: now, bytes });
      }
      for (let from = 0; from < taken.length; from++) {
        let sum = 0;
        for (const { at, bytes } of taken.slice(from)) {
          sum += bytes;
          const seconds = (at - (taken[from]?.at ?? 0)) / 1_000;
          assert.ok(sum <= rate.burst + seconds * rate.perSecond + bytes, `${sum} in ${seconds} s`);
        }
      }
    }),
  );
});

test("a waker that comes when the bucket said so finds the level it wanted, or a full bucket", () => {
  const rate = { perSecond: 7, burst: 100 };
  const bucket = fullBucket(rate, 0);
  bucket.level = -50;
  for (const level of [1, 33, 100, 500]) {
    const at = fullAt({ ...bucket }, rate, level);
    assert.ok(fill({ ...bucket }, rate, at) >= Math.min(level, 100));
    assert.ok(fill({ ...bucket }, rate, at - 500) < level);
  }
});
