import type { Outage } from "./weather.ts";

/** What is physically true in a site between two moments. */
export type SiteWorld = {
  readonly uplink: boolean;
  readonly hub: boolean;
  /** By machine: whether it runs. */
  readonly up: readonly boolean[];
  /** The first machine of the second half while the site is split. */
  readonly splitAt: number | undefined;
};

export type Moment = {
  readonly atS: number;
  readonly world: SiteWorld;
  /** Machines that went down in good order right now: their peers saw the sockets close. */
  readonly closed: ReadonlySet<number>;
};

/** The moments at which something changes, from 0 on. */
export function momentsOf(outages: readonly Outage[], nodes: number): Moment[] {
  const times = [...new Set([0, ...outages.flatMap(({ fromS, toS }) => [fromS, toS])])].sort(
    (left, right) => left - right,
  );
  const starting = [...outages].sort((left, right) => left.fromS - right.fromS);
  let next = 0;
  let under: Outage[] = [];
  return times.map((atS) => {
    const closed = new Set<number>();
    under = under.filter(({ toS }) => toS > atS);
    for (
      let outage = starting[next];
      outage !== undefined && outage.fromS <= atS;
      outage = starting[++next]
    ) {
      if (outage.toS <= atS) continue;
      under.push(outage);
      if (outage.fault === "reboot" && outage.node !== undefined) closed.add(outage.node);
    }
    return { atS, closed, world: worldUnder(under, nodes) };
  });
}

export const seesEachOther = ({ up, splitAt }: SiteWorld, one: number, other: number): boolean =>
  up[one] === true && up[other] === true && (splitAt === undefined || one < splitAt === other < splitAt);

function worldUnder(under: readonly Outage[], nodes: number): SiteWorld {
  const has = (fault: Outage["fault"]): boolean => under.some((outage) => outage.fault === fault);
  const dark = has("site-power");
  const down = new Set(
    under.flatMap(({ fault, node }) => (isOfOneNode(fault) && node !== undefined ? [node] : [])),
  );
  return {
    uplink: !has("uplink") && !dark,
    hub: !has("hub"),
    up: Array.from({ length: nodes }, (_, node) => !dark && !down.has(node)),
    splitAt: under.find(({ fault }) => fault === "split")?.node,
  };
}

const isOfOneNode = (fault: Outage["fault"]): boolean =>
  fault === "power-off" || fault === "reboot" || fault === "broken";
