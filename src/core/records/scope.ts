/**
 * Who keeps a record: everybody, the nodes of a region and of the regions within it, or a site's nodes.
 */
export type Scope = "mesh" | `region:${string}` | `site:${string}`;

/** Where a node stands. Regions nest: `eu.de.south` is within `eu.de`, and that within `eu`. */
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

/** Every region around a region has a name that can stand alone, as part of a scope and as a label. */
const regionPartPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const regionBytesMax = 63;
/** A node holds the parts of each region around it. */
const regionDepthMax = 6;

export const isRegion = (text: string): boolean =>
  text.length <= regionBytesMax &&
  regionsAround(text).length <= regionDepthMax &&
  text.split(".").every((part) => regionPartPattern.test(part));

/** What to write instead of a text that is not a region. */
export const regionFix = `use 1 to ${regionDepthMax} names with dots between them, the outermost first, for example eu.de.south: each of a-z, 0-9 and "-", a letter or digit at both ends, at most ${regionBytesMax} characters in all`;

/** The field, its value and what to write instead. */
export const regionRefused = (what: string, region: string): string =>
  `${what} ${JSON.stringify(region)} is not a region: ${regionFix}`;

/** A region and those around it, outermost first: `eu`, `eu.de`, `eu.de.south`. */
export function regionsAround(region: string): readonly string[] {
  const found: string[] = [];
  for (let dot = region.indexOf("."); dot >= 0; dot = region.indexOf(".", dot + 1))
    found.push(region.slice(0, dot));
  return [...found, region];
}

/** The region that a region stands in; undefined for one that stands in the mesh itself. */
export function outerRegion(region: string): string | undefined {
  const dot = region.lastIndexOf(".");
  return dot < 0 ? undefined : region.slice(0, dot);
}

/** Whether `inner` is `outer` or stands in it. */
export function isWithin(inner: string, outer: string): boolean {
  return inner.startsWith(outer) && (inner.length === outer.length || inner[outer.length] === ".");
}

/** How many of the regions around one place are around the other, too: the more, the nearer. */
export function regionsShared(one: string, other: string): number {
  return regionsAround(one).filter((region) => isWithin(other, region)).length;
}

/** The scope in which something is said of a region: of those who know its neighbours. */
export function scopeAround(region: string): Scope {
  const outer = outerRegion(region);
  return outer === undefined ? "mesh" : `region:${outer}`;
}

export function isScope(text: string): text is Scope {
  return text === "mesh" || /^(region|site):[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(text);
}

/** The scopes whose records a node at `place` keeps, the widest first. */
export function scopesOf({ site, region }: Place): readonly Scope[] {
  return ["mesh", ...regionsAround(region).map((name): Scope => `region:${name}`), `site:${site}`];
}

/** Whether a node at `place` keeps the records of `scope`. */
export function keeps(place: Place, scope: Scope): boolean {
  if (scope === "mesh" || scope === `site:${place.site}`) return true;
  return scope.startsWith(regionPrefix) && isWithin(place.region, scope.slice(regionPrefix.length));
}

const regionPrefix = "region:";
