import { below, between, pick, type Random } from "../../core/kernel/random.ts";

/**
 * A day of edge weather, drawn before it happens, so that it is known whose disk will be read again.
 *
 * The rates are what operators of shops and plants tell, rounded, not measurements. A span holds the faults
 * of a whole day however short it is, of every kind one at least; or those of so much of a day as it lasts, where
 * the pace is given. What would last beyond the span ends with it.
 */

export type Strike =
  /** The uplink of a site is gone; inside all goes on. */
  | { readonly type: "site-cut-off"; readonly site: string; readonly at: number; readonly forMs: number }
  /** The uplink of a cellular site comes and goes. */
  | { readonly type: "uplink-flaps"; readonly site: string; readonly at: number; readonly forMs: number }
  /** All machines of a site lose their power, and get it back within a second. */
  | { readonly type: "power-cut"; readonly site: string; readonly at: number; readonly forMs: number }
  | { readonly type: "reboot"; readonly host: number; readonly at: number; readonly forMs: number }
  /** `kill -9` of an agent, or an upgrade: its machine goes on. */
  | { readonly type: "agent-restart"; readonly host: number; readonly at: number; readonly forMs: number }
  /** The agent stands still and comes back. */
  | { readonly type: "stall"; readonly host: number; readonly at: number; readonly forMs: number };

export type StrikeType = Strike["type"];

type Rate = {
  /** On each place where it can happen. */
  readonly perDay: number;
  readonly lasts: (random: Random) => number;
};

const second = 1_000;
const minute = 60 * second;
const day = 1_440 * minute;

/** Half last shorter than the median; one in ten longer than `median * exp(1.28 * sigma)`. */
const lognormal =
  (medianMs: number, sigma: number) =>
  (random: Random): number =>
    Math.round(medianMs * Math.exp(sigma * normal(random)));

const uniform = (fromMs: number, toMs: number) => (random: Random) =>
  Math.round(between(random, fromMs, toMs));

export const rates: { readonly [type in StrikeType]: Rate } = {
  // Once in ten days: one in ten is over within 70 s, one in ten takes 55 minutes, one in a hundred 4 hours.
  "site-cut-off": { perDay: 1 / 10, lasts: lognormal(8 * minute, 1.5) },
  // Twice a day on a cellular site, for minutes.
  "uplink-flaps": { perDay: 2, lasts: lognormal(4 * minute, 0.8) },
  // Once in two months.
  "power-cut": { perDay: 1 / 60, lasts: lognormal(5 * minute, 1.5) },
  // Once a week: updates of the system and crashes.
  reboot: { perDay: 1 / 7, lasts: uniform(25 * second, 2 * minute) },
  "agent-restart": { perDay: 1 / 7, lasts: uniform(200, 5 * second) },
  // A slow disk, a full memory, a suspended machine.
  stall: { perDay: 1 / 5, lasts: uniform(second, 10 * second) },
};

/** Of a flapping uplink: how long it is there, and how long it is not. */
export const flapUp = uniform(5 * second, minute);
export const flapDown = uniform(2 * second, 30 * second);

export type Ground = {
  readonly sites: readonly string[];
  /** Sites whose uplink is a cellular one. */
  readonly cellular: readonly string[];
  readonly hosts: readonly number[];
};

/**
 * Sorted by time; `at` counts from the start of the span, and nothing lasts beyond its end.
 *
 * @param pace So many times as fast as in life faults come; those of a whole day when it is missing.
 */
export function forecast(
  random: Random,
  { sites, cellular, hosts }: Ground,
  spanMs: number,
  pace?: number,
): Strike[] {
  const strikes: Strike[] = [];
  const counted = (inADay: number): number =>
    pace === undefined
      ? Math.max(1, Math.round(inADay))
      : Math.floor((pace * inADay * spanMs) / day + random());
  const draw = <Place>(
    type: StrikeType,
    places: readonly Place[],
    strike: (place: Place) => object,
  ): void => {
    if (places.length === 0) return;
    const { perDay, lasts } = rates[type];
    for (let left = counted(perDay * places.length); left > 0; left--) {
      const place = pick(random, places) as Place;
      const at = below(random, spanMs);
      strikes.push({ type, ...strike(place), at, forMs: Math.min(lasts(random), spanMs - at) } as Strike);
    }
  };
  draw("site-cut-off", sites, (site) => ({ site }));
  draw("uplink-flaps", cellular, (site) => ({ site }));
  draw("power-cut", sites, (site) => ({ site }));
  draw("reboot", hosts, (host) => ({ host }));
  draw("agent-restart", hosts, (host) => ({ host }));
  draw("stall", hosts, (host) => ({ host }));
  return strikes.sort((left, right) => left.at - right.at);
}

/** Nearly normal, and the same on every machine: the sum of twelve uniform ones (Irwin-Hall), less its mean. */
function normal(random: Random): number {
  let sum = -6;
  for (let drawn = 0; drawn < 12; drawn++) sum += random();
  return sum;
}
