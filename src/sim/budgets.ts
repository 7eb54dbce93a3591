import { pick, randomStream } from "../core/kernel/random.ts";
import {
  bytesPerSecondOf,
  isMetered,
  linkClassOf,
  paceOf,
  type LinkClass,
} from "../core/records/link-class.ts";
import type { Machine } from "./machine.ts";
import type { End } from "./streams.ts";
import type { Layout, SiteLayout, World } from "./world.ts";

/**
 * Sites that pay for their bytes. One seed in four has one, with so little a second that users alone want
 * more, and no allowance for the day, which is as long as many lives here.
 */

const meteredSeeds = 4;
const bytesPerSecond = 1_500;
const classes: readonly LinkClass[] = ["cellular", "satellite"];

export function withUplinks(layout: Layout, seed: number): Layout {
  if (seed % meteredSeeds !== 0 || layout.length < 2) return layout;
  const random = randomStream(seed, "uplinks");
  const site = pick(random, layout);
  const uplink = pick(random, classes) ?? "cellular";
  return layout.map((each): SiteLayout => {
    if (each !== site) return each;
    return { ...each, uplink: { uplink, uplinkBytesPerSecond: bytesPerSecond, uplinkBytesPerDay: 0 } };
  });
}

/** Where signs of life and comparisons are rarer, all takes longer to come right: two comparisons more. */
export function slowest(layout: Layout): number {
  const paces = layout.map(({ uplink }) => paceOf[uplink?.uplink ?? "lan"]);
  const worst = Math.max(...paces);
  return worst === 1 ? 0 : worst * 15_000;
}

/** Facts cross a metered link with the next comparison: until then each end may believe in a copy that went. */
export const hearsLate = (here: Machine, there: Machine): boolean =>
  isMetered(linkClassOf(here.identity.site === there.identity.site, here.config.uplink, there.config.uplink));

/** What one link may carry beyond its rate: the burst, and the last frame that overdraws. */
const burstSeconds = 8;
const frameBytes = 8_000;

/**
 * 11. No end of a link sends more than its budget, over any window: what is above the rate never adds up to
 * more than the burst and one frame.
 */
export function watchBudgets(world: World): void {
  const aboveByEnd = new Map<End, { bytes: number; at: number; told: boolean }>();
  world.observers.push({
    sent: (machine, peer, end, bytes) => {
      const perSecond = rateOf(machine, peer);
      if (perSecond === Number.POSITIVE_INFINITY) return;
      const above = aboveByEnd.get(end) ?? { bytes: 0, at: world.now, told: false };
      aboveByEnd.set(end, above);
      above.bytes = Math.max(0, above.bytes - ((world.now - above.at) / 1_000) * perSecond) + bytes;
      above.at = world.now;
      const most = burstSeconds * perSecond + frameBytes;
      if (above.bytes <= most || above.told) return;
      above.told = true;
      world.violated(
        `11: ${machine.name} sends ${peer.name} ${Math.round(above.bytes)} bytes above its rate, ${most} are allowed`,
      );
    },
  });
}

function rateOf(machine: Machine, peer: Machine): number {
  if (machine.identity.site === peer.identity.site) return Number.POSITIVE_INFINITY;
  const { uplink, uplinkBytesPerSecond } = machine.config;
  const ours = uplinkBytesPerSecond > 0 ? uplinkBytesPerSecond : bytesPerSecondOf[uplink];
  return Math.min(ours, bytesPerSecondOf[peer.config.uplink]);
}
