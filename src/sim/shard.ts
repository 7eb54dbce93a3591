/**
 * One of the simulators that run a world together (a logical process, in the words of parallel simulation). Each
 * runs the machines of some regions. What is done to machines from outside, weather and people, all of them play
 * alike, so that each knows of every machine whether it runs; what machines say to each other goes from one to
 * the other.
 */
export type Shard = {
  readonly number: number;
  readonly of: number;
  /**
   * Waits until all have come to the same point of the course, and gives to each what is for it.
   *
   * @returns What each has for us, in the order of their numbers.
   */
  readonly exchange: <T>(values: readonly T[]) => readonly T[];
};

/** Who runs all machines. */
export const alone: Shard = { number: 0, of: 1, exchange: (values) => values };

/** What all have to say, in the order of their numbers. */
export const gather = <T>(shard: Shard, value: T): readonly T[] =>
  shard.exchange(Array.from({ length: shard.of }, () => value));

/** What all have found, one after the other. */
export const gatherAll = <T>(shard: Shard, values: readonly T[]): readonly T[] =>
  gather(shard, values).flat();
