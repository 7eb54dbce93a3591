import { sees } from "./life.ts";
import { isSoft } from "./soft.ts";
import { sameValue, type Claim, type LeafState } from "./state.ts";

/** The claims of a leaf that are sides of a live conflict; empty when there is none. */
export function conflictingClaims({ path, leaf, claims }: LeafState): readonly Claim[] {
  if (claims.length < 2 || isSoft(path, leaf)) return [];
  const standing = claims.filter((claim) => !claims.some((other) => answers(other, claim)));
  const [first] = standing;
  if (first === undefined || !standing.some((claim) => !sameValue(claim, first))) return [];
  return standing;
}

/** A release answers only its own manager's claims; any other write answers what it has seen. */
function answers(other: Claim, claim: Claim): boolean {
  if (!sees(other.write, claim.write)) return false;
  return other.op !== "release" || other.write.manager === claim.write.manager;
}
