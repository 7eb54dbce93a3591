/** One figure of a bench, with the goal it is held against and, where there is one, a peer's. */
export type Metric = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** For people: `<= 80`. */
  readonly goal: string;
  readonly peer?: string;
  readonly peerValue?: number;
  readonly ok: boolean;
};

/** What `npm run bench -- NAME` runs: one file a bench, exporting `run`. */
export type Bench = {
  /** One line for `--help`. */
  readonly about: string;
  /** `progress` goes to stderr, so that a long bench shows that it lives. */
  readonly run: (progress: (line: string) => void) => Promise<readonly Metric[]>;
};

export function atMost(name: string, value: number, unit: string, goal: number): Metric {
  return { name, value: rounded(value), unit, goal: `<= ${goal}`, ok: value <= goal };
}

export function atLeast(name: string, value: number, unit: string, goal: number): Metric {
  return { name, value: rounded(value), unit, goal: `>= ${goal}`, ok: value >= goal };
}

/** The value below which `share` of the samples lie (nearest rank). */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
