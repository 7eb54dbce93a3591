import { isWithin } from "../../core/records/scope.ts";
import type { NodeView } from "../../core/node/contract.ts";

/**
 * Why no newcomer may stand in a region, as far as we know; undefined when one may.
 *
 * Where detail travels through regions, a node also keeps what is said in the regions around it: of two nodes in
 * `eu` and `eu.de` the inner one would know the outer one's detail, and not the other way round. So with that
 * detail nodes stand in innermost regions only.
 */
export function nestingRefused(
  region: string,
  { identity, peopledRegions }: Pick<NodeView, "identity" | "peopledRegions">,
): string | undefined {
  if (identity.mesh.detail !== "region") return undefined;
  for (const other of peopledRegions()) {
    if (other === region) continue;
    if (isWithin(region, other))
      return `${refused(region)}: it stands in ${other}, which has nodes itself. Use ${other}, or a region outside of it`;
    if (isWithin(other, region))
      return `${refused(region)}: ${other} stands in it and has nodes. Use ${other}, or a new region beside it, such as ${region}.NAME`;
  }
  return undefined;
}

const refused = (region: string): string =>
  `the region ${JSON.stringify(region)} cannot have nodes in a mesh of detail region`;
