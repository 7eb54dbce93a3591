import type { RegionSummary, SiteSummary } from "../records/summaries.ts";
import { isWithin, outerRegion, regionsAround } from "../records/scope.ts";
import { detailOf } from "./levels.ts";
import type { Fact } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * Regions nest. Each consists of parts: the regions that stand in it directly, and the sites that do. A node is
 * told of the parts of the mesh and of each region that it stands in, so that it holds as many words as those
 * have parts, however large the mesh is.
 */

export type Part = {
  /** The name of the site; of a region what it adds to the name of the one it stands in. No two are the same. */
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly summary: RegionSummary | SiteSummary;
};

/** Where we stand, the innermost first: our part of each region around us, and of the mesh. */
export type Level = {
  /** Undefined for the mesh. */
  readonly region: string | undefined;
  /** Ids and names as those of parts. */
  readonly own: string;
  readonly ownName: string;
  /** As we are told, ours among them if somebody spoke for it; by their ids. Found when it is asked for. */
  readonly parts: () => ReadonlyMap<string, Part>;
};

export function levelsOf(state: NodeState): readonly Level[] {
  const { identity } = state;
  const levelIn = (region: string | undefined, own: string, ownName: string): Level => {
    return { region, own, ownName, parts: () => partsIn(state, region) };
  };
  const found: Level[] = [];
  if (detailOf(state) === "site") found.push(levelIn(identity.region, identity.site, identity.site));
  for (const name of regionsAround(identity.region).toReversed()) {
    const region = outerRegion(name);
    found.push(levelIn(region, idOf(name), name));
  }
  return found;
}

/** What a region, or the mesh, consists of. */
export function partsIn({ index }: NodeState, within: string | undefined): ReadonlyMap<string, Part> {
  const parts = new Map<string, Part>();
  for (const [name, { body }] of index.regionSummaries)
    if (outerRegion(name) === within) {
      const part = regionPart(name, body);
      parts.set(part.id, part);
    }
  for (const [name, { body }] of index.siteSummaries)
    if (body.region === within) parts.set(name, sitePart(name, body));
  return parts;
}

/** The ids of the same. */
export function* partIdsIn({ index }: NodeState, within: string | undefined): Generator<string> {
  for (const name of index.regionSummaries.keys()) if (outerRegion(name) === within) yield idOf(name);
  for (const [name, { body }] of index.siteSummaries) if (body.region === within) yield name;
}

/** Regions that we do not stand in. */
export function regionsBeside({
  index,
  identity,
}: NodeState): readonly (readonly [string, Fact<RegionSummary>])[] {
  return [...index.regionSummaries].filter(([name]) => !isWithin(identity.region, name));
}

export function regionPart(name: string, summary: RegionSummary): Part {
  return { id: idOf(name), name, region: name, summary };
}

export function sitePart(name: string, summary: SiteSummary): Part {
  return { id: name, name, region: summary.region, summary };
}

/** `.south` of `eu.de.south`: no site has such a name. In the mesh itself stand no sites. */
function idOf(region: string): string {
  return region.slice(outerRegion(region)?.length ?? 0);
}
