import type { NodeConfig } from "../../core/node/contract.ts";
import { shuffled, type Random } from "../../core/kernel/random.ts";
import type { Machine } from "../machine.ts";
import { Trace } from "../trace.ts";
import { alone, type Shard } from "../shard.ts";
import { World, type SiteLayout } from "../world.ts";
import { layoutOfFleet, type FleetShape } from "./layout.ts";

/** A fleet of equal sites, most of which have been in the mesh for a while, and some that are to join. */

export type FleetOptions = FleetShape & { readonly seed: number; readonly config: NodeConfig };

/** What all shards know alike, but for what runs on the machines themselves. */
export type Fleet = {
  readonly world: World;
  readonly shard: Shard;
  readonly random: Random;
  readonly machinesBySite: ReadonlyMap<string, readonly Machine[]>;
  /** The sites of each region, with those of its districts. */
  readonly sitesByRegion: readonly (readonly string[])[];
  readonly cellularSites: readonly string[];
  /** Sites of which nobody knows at first. */
  readonly lateSites: readonly string[];
  /** Machines that belong now; those that left or were revoked do no longer. */
  readonly members: Set<Machine>;
  readonly gone: Set<Machine>;
};

const cellular: SiteLayout["uplink"] = {
  uplink: "cellular",
  uplinkBytesPerSecond: 0,
  uplinkBytesPerDay: 0,
};
/** One site in ten has a cellular uplink; one in fifty, and at least one, joins late. */
const isCellular = (site: number): boolean => site % 10 === 4;
const isLate = (site: number): boolean => site % 50 === 3;

export function createFleet(options: FleetOptions, shard = alone): Fleet {
  const { seed, sitesPerRegion, config } = options;
  const layout = layoutOfFleet(options).map((site, at) =>
    isCellular(at) ? { ...site, uplink: cellular } : site,
  );
  const namesOf = (chosen: (site: number) => boolean): string[] =>
    layout.filter((_, at) => chosen(at)).map(({ site }) => site);
  const lateSites = namesOf(isLate);
  const late = new Set(lateSites);
  const world = new World(seed, layout, config, new Trace(undefined, false), {
    detail: "site",
    sharing: true,
    settled: (site) => !late.has(site),
    shard,
  });
  return {
    world,
    shard,
    random: world.random("fleet"),
    machinesBySite: Map.groupBy(world.machines, ({ identity }) => identity.site),
    sitesByRegion: [...Map.groupBy(layout.keys(), (at) => Math.floor(at / sitesPerRegion)).values()].map(
      (sites) => sites.flatMap((at) => layout[at]?.site ?? []),
    ),
    cellularSites: namesOf((at) => isCellular(at) && !isLate(at)),
    lateSites,
    members: new Set(world.machines.filter(({ identity }) => !late.has(identity.site))),
    gone: new Set(),
  };
}

export const siteOf = ({ machinesBySite }: Fleet, site: string): readonly Machine[] =>
  machinesBySite.get(site) ?? [];

/** A member whose agent runs, and that is not cut off from other sites; undefined when none is found. */
export function anyReachable(
  { world, random, members }: Fleet,
  among: readonly Machine[],
): Machine | undefined {
  return shuffled(random, among).find(
    (machine) => members.has(machine) && machine.state === "up" && !world.network.isWalledIn(machine.host),
  );
}
