import assert from "node:assert/strict";
import { test } from "node:test";
import { runInThreads } from "./shard-threads.ts";

const threads = new URL("./shard-threads.ts", import.meta.url).href;

/** A module whose shards run the body of a function of `shard` and `data`. */
const moduleOf = (body: string): URL =>
  new URL(
    `data:text/javascript,import { runAsShard } from ${JSON.stringify(threads)};` +
      encodeURIComponent(`runAsShard((shard, data) => { ${body} });`),
  );

test("what shards exchange comes from each to each, round by round, in the order of their numbers", async () => {
  const module = moduleOf(`
    const seen = [];
    for (let round = 0; round < 100; round++)
      seen.push(shard.exchange([0, 1, 2].map((to) => data * round + 10 * shard.number + to)));
    return shard.exchange([seen, seen, seen]);`);
  const rounds = (to: number): number[][] =>
    Array.from({ length: 100 }, (_, round) => [0, 1, 2].map((from) => 1_000 * round + 10 * from + to));
  assert.deepEqual(await runInThreads({ module, shards: 3, data: 1_000 }), [0, 1, 2].map(rounds));
});

test("a shard that fails ends the others, who would wait for it", { timeout: 20_000 }, async () => {
  const module = moduleOf(`
    if (shard.number === 1) throw new RangeError("no more memory");
    return shard.exchange([1, 2]);`);
  await assert.rejects(runInThreads({ module, shards: 2, data: undefined }), /no more memory/);
});
