import { readFileSync } from "node:fs";

/**
 * How many bytes went to the device since the meter was made.
 *
 * The kernel counts what each thread writes, pages and log included (`write_bytes`, proc_pid_io(5)).
 * SQLite writes on our thread, other file work happens in the thread pool. Where the kernel does not
 * count, what was asked to be written is the lower bound.
 */
export function deviceMeter(): {
  readonly add: (payloadBytes: number) => void;
  readonly bytes: () => number;
} {
  const before = writtenByThread() ?? 0;
  let payload = 0;
  return {
    add: (bytes) => (payload += bytes),
    bytes: () => Math.max(payload, (writtenByThread() ?? 0) - before),
  };
}

function writtenByThread(): number | undefined {
  try {
    const counted = /^write_bytes: (\d+)$/m.exec(readFileSync("/proc/thread-self/io", "utf8"))?.[1];
    return counted === undefined ? undefined : Number(counted);
  } catch {
    return undefined;
  }
}
