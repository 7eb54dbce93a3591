/** Who keeps a record: everybody, a region's nodes, or a site's nodes. */
export type Scope = "mesh" | `region:${string}` | `site:${string}`;

export type Place = { readonly site: string; readonly region: string };

/**
 * How far the detail of a node travels: its facts and its member record. A property of the mesh, set once by
 * its root.
 */
export type Detail = "mesh" | "region" | "site";

export const details: readonly Detail[] = ["mesh", "region", "site"];

/** The scope in which a node at `place` tells its detail. */
export function detailScope(detail: Detail, { site, region }: Place): Scope {
  if (detail === "mesh") return "mesh";
  return detail === "region" ? `region:${region}` : `site:${site}`;
}

export function isScope(text: string): text is Scope {
  return text === "mesh" || /^(region|site):[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(text);
}

/** Whether a node at `place` keeps the records of `scope`. */
export function keeps(place: Place, scope: Scope): boolean {
  return scope === "mesh" || scope === `site:${place.site}` || scope === `region:${place.region}`;
}
