import { openSync, readSync } from "node:fs";

/**
 * Milliseconds since the machine booted, time spent suspended included: what leases are measured with.
 *
 * Node's own monotonic clocks (`performance.now`, `process.hrtime`, timers) are CLOCK_MONOTONIC, which stands
 * still while a machine sleeps: a holder that wakes up after an hour would believe that its lease still
 * runs. The first number of /proc/uptime is CLOCK_BOOTTIME (proc(5)), in hundredths of a second, whoever
 * sets the wall clock. Between two readings that agree it is smoothed with `performance.now`.
 */
export function createBootClock(): { readonly now: () => number } {
  const buffer = Buffer.alloc(64);
  const file = openUptime();
  if (file === undefined) return { now: () => performance.now() };
  let offset = uptime(file, buffer) - performance.now();
  let last = 0;
  return {
    now: () => {
      const read = uptime(file, buffer);
      const smooth = performance.now() + offset;
      // The reading is rounded down by up to 10 ms; anything beyond that is a sleep, or drift between the two.
      if (smooth < read || smooth > read + coarseness) offset += read - smooth;
      last = Math.max(last, performance.now() + offset);
      return last;
    },
  };
}

const coarseness = 20;

function openUptime(): number | undefined {
  try {
    return openSync("/proc/uptime", "r");
  } catch {
    return undefined;
  }
}

function uptime(file: number, buffer: Buffer): number {
  const length = readSync(file, buffer, 0, buffer.length, 0);
  return Number.parseFloat(buffer.toString("latin1", 0, length)) * 1_000;
}
