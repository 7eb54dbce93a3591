import { between, randomStream, type Random } from "../../core/kernel/random.ts";

/**
 * A year of an edge fleet: what breaks, when, and for how long. Arrivals are Poisson, durations are
 * log-normal, which is how link outages and repairs come out in field studies: many short, few very long.
 * The figures are assumptions for a chain of shops; every one can be changed.
 */
export type Climate = {
  readonly [fault in Fault]: {
    /** Expected number a year, of each thing that it can happen to. */
    readonly perYear: number;
    /** Half of them are over after so many seconds. */
    readonly medianS: number;
    /** Spread of the logarithm of the duration. */
    readonly sigma: number;
  };
};

export type Fault =
  /** A site's line to the others is down. */
  | "uplink"
  /** All machines of a site lose power. */
  | "site-power"
  /** A switch between the machines of a site fails: two halves that cannot see each other. */
  | "split"
  /** A machine stops without a word: power cord, kernel panic, hang. */
  | "power-off"
  /** A machine is restarted in good order: its sockets are closed. */
  | "reboot"
  /** A machine is broken until somebody brings another. */
  | "broken"
  /** The data centre, or the control plane in it, is down: only a hub has one. */
  | "hub";

export const shopClimate: Climate = {
  uplink: { perYear: 40, medianS: 300, sigma: 2 },
  "site-power": { perYear: 3, medianS: 600, sigma: 1.5 },
  split: { perYear: 0.5, medianS: 900, sigma: 1.5 },
  "power-off": { perYear: 4, medianS: 300, sigma: 1 },
  reboot: { perYear: 14, medianS: 90, sigma: 0.4 },
  broken: { perYear: 0.15, medianS: 2 * 86_400, sigma: 0.5 },
  hub: { perYear: 4, medianS: 1_200, sigma: 1 },
};

export type Outage = {
  readonly fault: Fault;
  /** The machine's number in its site, or the first of the second half after a split. */
  readonly node: number | undefined;
  readonly fromS: number;
  readonly toS: number;
};

export const yearS = 365 * 86_400;

/** What happens to one site of so many machines, in order; the same for the same seed and site. */
export function outagesOf(
  climate: Climate,
  { seed, site, nodes, seconds }: { seed: number; site: string; nodes: number; seconds: number },
): Outage[] {
  const outages: Outage[] = [];
  const add = (fault: Fault, name: string, node: (random: Random) => number | undefined): void => {
    const random = randomStream(seed, `${site} ${name}`);
    for (const { fromS, toS } of arrivals(climate[fault], random, seconds)) {
      outages.push({ fault, node: node(random), fromS, toS });
    }
  };
  add("uplink", "uplink", () => undefined);
  add("site-power", "site-power", () => undefined);
  if (nodes > 1) add("split", "split", (random) => 1 + Math.floor(random() * (nodes - 1)));
  for (let node = 0; node < nodes; node++) {
    for (const fault of ["power-off", "reboot", "broken"] as const)
      add(fault, `${fault} ${node}`, () => node);
  }
  return outages.sort((left, right) => left.fromS - right.fromS || left.toS - right.toS);
}

export function hubOutages(climate: Climate, seed: number, seconds: number): Outage[] {
  const random = randomStream(seed, "hub");
  return arrivals(climate.hub, random, seconds).map((times) => ({ fault: "hub", node: undefined, ...times }));
}

function arrivals(
  { perYear, medianS, sigma }: Climate[Fault],
  random: Random,
  seconds: number,
): { readonly fromS: number; readonly toS: number }[] {
  const found: { fromS: number; toS: number }[] = [];
  const meanGapS = yearS / perYear;
  for (let at = -Math.log(1 - random()) * meanGapS; at < seconds;) {
    const toS = at + Math.max(1, medianS * Math.exp(sigma * normal(random)));
    found.push({ fromS: at, toS: Math.min(seconds, toS) });
    at = toS - Math.log(1 - random()) * meanGapS;
  }
  return found;
}

/** Box and Muller 1958. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(between(random, 0, 2 * Math.PI));
}
