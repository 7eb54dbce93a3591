import assert from "node:assert/strict";
import { constants, PerformanceObserver, type PerformanceEntry } from "node:perf_hooks";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { giveBackMemoryOnceQuiet } from "./give-back-memory.ts";

type Detail = { readonly kind: number; readonly flags: number };

test("memory is given back once, and not while there is much to do", async (t) => {
  let forced = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { detail: Detail })[]) {
      const { kind, flags } = entry.detail;
      const isForced = (flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) > 0;
      if (kind === constants.NODE_PERFORMANCE_GC_MAJOR && isForced) forced++;
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
  assert.equal(forced, 0);
  await setTimeout(500);
  assert.equal(forced, 1);
  await setTimeout(300);
  assert.equal(forced, 1);
});
