import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "./support/fuzz/run.ts";

test("20,000 frames of wrong bytes make no decoder and no live sync machine throw, stall or grow", async () => {
  const seed = 7;
  const { failures, byTarget, heapBytes, slowestMs } = await fuzz({ frames: 20_000, seed });
  assert.deepEqual(failures, [], `seed ${seed}`);
  assert.equal(byTarget.size, 12);
  for (const [name, { frames, read }] of byTarget) {
    assert.ok(read > 0 && read < frames, `${name}: ${read} of ${frames} were readable`);
  }
  assert.ok(heapBytes[1] - heapBytes[0] < 24 * 2 ** 20, `heap ${heapBytes.join(" -> ")}`);
  assert.ok(slowestMs < 2_000, `${slowestMs} ms`);
});
