import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Joining, catching up and adopting are over by then. */
const afterMs = 5_000;

/**
 * Collects what starting up left behind, once, and gives the pages back to the machine: about 6 MiB that
 * V8 would otherwise keep until the heap grows again, which on an idle node it never does.
 */
export function giveBackMemoryOnceStarted(): void {
  setTimeout(() => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as (options: object) => void;
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    setFlagsFromString("--no-expose-gc");
  }, afterMs).unref();
}
