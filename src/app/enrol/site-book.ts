import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseJson } from "../../core/kernel/json.ts";
import { fields, list, text } from "../../core/kernel/shape.ts";
import type { NodeView } from "../../core/node/contract.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Place } from "../../core/records/scope.ts";
import { makeDirectory, readText, writeDurably } from "../../shells/identity-file/durable-files.ts";
import { IdentityError } from "../../shells/identity-file/identity-error.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { isName } from "../../shells/identity-file/names.ts";

/**
 * The sites that an enroller admitted nodes to, one file each. Where detail stays in its place, the member
 * records of other sites are kept here for as long as they prove something; this is kept for good.
 */
const nodesMax = 4_096;
const bookShape = fields({ nodes: list(fields({ id: text(20), region: text(63) }), nodesMax) });

type Admitted = { readonly id: NodeId; readonly region: string };
type Known = { readonly directory: string; readonly view: Pick<NodeView, "hasEnded" | "regionsOfSite"> };

/** Where a site stands, as far as an enroller knows, sorted. Whose membership has ended does not count. */
export function knownRegions(known: Known, site: string): readonly string[] {
  const admitted = admittedTo(known, site).map(({ region }) => region);
  return [...new Set([...known.view.regionsOfSite(site), ...admitted])].sort();
}

/** To be called before anybody is told of the admission. */
export function noteAdmission(known: Known, { site, region }: Place, id: NodeId): void {
  const others = admittedTo(known, site).filter((held) => held.id !== id);
  makeDirectory(layoutOf(known.directory).sites);
  const nodes = [...others, { id, region }].slice(-nodesMax);
  writeDurably(pathOf(known.directory, site), JSON.stringify({ nodes }));
}

function admittedTo({ directory, view }: Known, site: string): readonly Admitted[] {
  const path = pathOf(directory, site);
  if (!isName(site) || !existsSync(path)) return [];
  const book = bookShape(parseJson(Buffer.from(readText(path))));
  if (book === undefined) throw new IdentityError({ type: "broken", path, detail: "not a site's file" });
  return book.nodes.filter(({ id }) => !view.hasEnded(id));
}

/** The name of a site is that of a file, too; see `isName`. */
const pathOf = (directory: string, site: string): string => join(layoutOf(directory).sites, `${site}.json`);

/** Why nobody may join a site in a region, given where it stands already; undefined when one may. */
export function siteRefused({ site, region }: Place, known: readonly string[]): string | undefined {
  if (known.length === 0 || known.includes(region)) return undefined;
  const there = known.join(" and ");
  return `the region ${JSON.stringify(region)} conflicts with the site ${JSON.stringify(site)}, which stands in ${there}: a site has one region. Use the region ${known.join(" or ")}, or another name for a new site`;
}

/** Of a site that was founded twice nobody can tell which one is meant. */
export const ambiguous = (site: string, known: readonly string[]): string =>
  `no region is given for the site ${JSON.stringify(site)}, which stands in ${known.join(" and ")}. Name one of them with --region`;
