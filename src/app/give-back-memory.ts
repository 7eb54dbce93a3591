import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Joining, catching up and adopting are over by then, and so is what follows from them at the others. */
const everyMs = 30_000;
/** Of the time since the last look, what was spent in turns of the event loop. */
const quietShare = 0.05;

/**
 * Collects what starting up left behind, once, and gives the pages back to the machine: about 7 MiB that
 * V8 would otherwise keep until the heap grows again, which on an idle node it never does. That stops everything
 * for 60 to 120 ms, and for two seconds where 50 agents share two cores and all have much to do: then the others
 * hold us for lost. So it waits for half a minute in which there was next to nothing to do.
 */
export function giveBackMemoryOnceQuiet(lookEveryMs = everyMs): void {
  let before = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    if (utilization > quietShare) return;
    clearInterval(timer);
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as (options: object) => void;
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    setFlagsFromString("--no-expose-gc");
  }, lookEveryMs);
  timer.unref();
}
