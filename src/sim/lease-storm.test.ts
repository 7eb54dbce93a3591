import assert from "node:assert/strict";
import { test } from "node:test";
import { runLeaseStorm } from "./lease-storm.ts";

/** A short look with every run of the tests; `npm run sim -- --leases --seeds 500` looks longer. */

const short = { stormMs: 120_000, calmMs: 90_000 };

for (const nodes of [1, 2, 3, 5]) {
  test(`${nodes} nodes never run a name twice in 120 s of storm, and run it once in the calm, over 6 seeds`, () => {
    for (let seed = 1; seed <= 6; seed++) {
      assert.deepEqual(runLeaseStorm({ ...short, seed, nodes }), [], `seed ${seed}`);
    }
  });
}

test("the storm is one: agents and machines stop, disks are lost, members come and go, leases move", () => {
  const lines: string[] = [];
  for (let seed = 1; seed <= 12; seed++) {
    runLeaseStorm({ ...short, seed, nodes: 4, print: (line) => lines.push(line) });
  }
  const text = lines.join("\n");
  for (const sight of [
    "is cut off",
    "the agent of",
    "all of",
    "loses power",
    "loses its disk",
    "joins at",
    "is revoked",
    "split off",
    "one way",
    "goes by roll",
    "begins the site anew",
    "begins the site on its side",
  ]) {
    assert.ok(text.includes(sight), `no line says: ${sight}`);
  }
  assert.ok(lines.filter((line) => line.includes(" starts ")).length >= 6);
});
