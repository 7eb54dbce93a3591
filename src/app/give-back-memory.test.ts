import assert from "node:assert/strict";
import { constants, PerformanceObserver, type PerformanceEntry } from "node:perf_hooks";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { eventually } from "../../test/support/poll.ts";
import { giveBackMemoryOnceQuiet } from "./give-back-memory.ts";

type Detail = { readonly kind: number };

test("memory is given back once, and not while there is much to do", async (t) => {
  let passes = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { detail: Detail })[]) {
      if (entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) passes++;
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  t.after(() => observer.disconnect());
  giveBackMemoryOnceQuiet(100);
  const busyUntil = performance.now() + 600;
  while (performance.now() < busyUntil) {
    const until = performance.now() + 40;
    while (performance.now() < until);
    await setTimeout(5);
  }
  assert.equal(passes, 0);
  await eventually("it was quiet", () => Promise.resolve(passes > 0));
  await setTimeout(50);
  const once = passes;
  await setTimeout(500);
  assert.equal(passes, once);
});
