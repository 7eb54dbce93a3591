/** A stream of chance: floats uniform in `[0, 1)`, the same for the same seed and name. */
export type Random = () => number;

/**
 * A named random stream. Streams with different names are independent, so a new consumer of chance
 * does not disturb the others and a replay stays a replay.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand), seeded through a 32-bit FNV-1a of the name.
 */
export function randomStream(seed: number, name: string): Random {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = fnv1a(name);
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}

/** A float uniform in `[from, to)`. */
export function between(random: Random, from: number, to: number): number {
  return from + random() * (to - from);
}

/** An integer uniform in `[0, count)`. */
export function below(random: Random, count: number): number {
  return Math.floor(random() * count);
}

/** One element, each equally likely; undefined for an empty list. */
export function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[below(random, items.length)];
}

/** A shuffled copy (Fisher-Yates). */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = below(random, last + 1);
    const held = copy[last] as T;
    copy[last] = copy[other] as T;
    copy[other] = held;
  }
  return copy;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
