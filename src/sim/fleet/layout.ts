import type { SiteLayout } from "../world.ts";

/** How the sites of a fleet are dealt out to regions, in their order. */
export type FleetShape = {
  readonly nodes: number;
  readonly nodesPerSite: number;
  readonly sitesPerRegion: number;
  /** Whether regions stand in areas and consist of districts: `area-0.region-3.district-1`. */
  readonly nested?: boolean;
};

const regionsPerArea = 7;
const sitesPerDistrict = 10;

export function layoutOfFleet({ nodes, nodesPerSite, sitesPerRegion, nested }: FleetShape): SiteLayout[] {
  const sites = Math.max(1, Math.round(nodes / nodesPerSite));
  return Array.from({ length: sites }, (_, at) => {
    const region = Math.floor(at / sitesPerRegion);
    const name = `region-${region}`;
    const district = Math.floor((at % sitesPerRegion) / sitesPerDistrict);
    const area = Math.floor(region / regionsPerArea);
    return {
      site: `site-${at}`,
      region: nested === true ? `area-${area}.${name}.district-${district}` : name,
      nodes: nodesPerSite,
    };
  });
}
