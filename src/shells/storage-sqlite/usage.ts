import { noUsage, type Usage } from "./meta.ts";

const saveEveryMs = 60_000;

export type UsageCounter = {
  readonly now: () => Usage;
  /** A minute has passed since the counter was saved, so that it costs next to nothing itself. */
  readonly isDue: () => boolean;
  readonly saved: () => void;
};

/** Adds what a meter has counted since it was last asked to the day that is now. */
export function usageCounter(
  stored: Usage | undefined,
  meterBytes: () => number,
  clock: () => number,
): UsageCounter {
  let usage = stored ?? noUsage;
  let counted = 0;
  let savedAt = clock();
  return {
    now: () => {
      const bytes = meterBytes();
      const more = Math.max(0, bytes - counted);
      counted = bytes;
      const day = new Date(clock()).toISOString().slice(0, 10);
      usage = { day, today: (day === usage.day ? usage.today : 0) + more, total: usage.total + more };
      return usage;
    },
    isDue: () => Math.abs(clock() - savedAt) >= saveEveryMs,
    saved: () => {
      savedAt = clock();
    },
  };
}
