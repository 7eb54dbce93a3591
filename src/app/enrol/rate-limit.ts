import type { Duration, Instant } from "../../core/kernel/time.ts";

/** Token buckets by key: `burst` at once, then one every `every`. Bounded: the oldest key is forgotten. */
export type RateLimit = {
  /** Whether the key has something left. */
  readonly allows: (key: string, now: Instant) => boolean;
  readonly charge: (key: string, now: Instant) => void;
};

const keysMax = 10_000;

export function createRateLimit(burst: number, every: Duration): RateLimit {
  /** When the key's bucket is full again. */
  const fullAt = new Map<string, Instant>();
  const debt = (key: string, now: Instant): Duration => Math.max(0, (fullAt.get(key) ?? now) - now);
  return {
    allows: (key, now) => debt(key, now) + every <= burst * every,
    charge: (key, now) => {
      const owed = debt(key, now);
      fullAt.delete(key);
      if (fullAt.size >= keysMax) {
        const oldest = fullAt.keys().next().value;
        if (oldest !== undefined) fullAt.delete(oldest);
      }
      fullAt.set(key, now + owed + every);
    },
  };
}
