import type { NodeId } from "../records/record.ts";
import { isWithin } from "../records/scope.ts";
import { detailOf } from "./levels.ts";
import type { NodeState } from "./state.ts";

/**
 * Whether we know who is in our own place. Whoever was admitted from elsewhere, where detail stays in places,
 * begins with a roster of itself alone: for a site that has been there for years as for one that is new. Until
 * it has heard, it speaks for nobody, and it writes no first list of voters beside the one that exists.
 */

/** Looked at with every turn, before we might speak for the place ourselves. */
export function lookAtOwnPlace(state: NodeState): void {
  const { identity, index, levels } = state;
  const { ownPlace } = levels;
  if (ownPlace.heard && !ownPlace.elders) return;
  const isStranger = (author: NodeId | undefined): boolean =>
    author !== undefined && !index.memberById.has(author) && !index.goneSince.has(author);
  if (knowsRoster(state)) Object.assign(ownPlace, { heard: true, elders: false });
  const site = detailOf(state) === "site" ? index.siteSummaries.get(identity.site)?.author : undefined;
  const region = index.regionSummaries.get(identity.region)?.author;
  if (ownPlace.heard && !ownPlace.elders) return;
  if (isStranger(detailOf(state) === "site" ? site : region)) ownPlace.elders = true;
  // Whoever stands further in keeps what is said in our region, too; and a region that nobody has spoken for has no
  // sites yet that could tell us of ours.
  ownPlace.heard ||= isInStepWith(state, (place) => isWithin(place, identity.region) || !isStranger(region));
}

/** Our roster is that of somebody who had all of it: of our enroller, or of another node of our place. */
function knowsRoster({ identity, index, membership, sync }: NodeState): boolean {
  if (identity.mesh.detail === "mesh") return true;
  const enroller = index.memberById.get(identity.id)?.author;
  if (enroller === identity.mesh.id || (enroller !== undefined && index.memberById.has(enroller)))
    return true;
  return [...index.memberById.keys()].some((id) => {
    const link = id === identity.id ? undefined : membership.standing(id)?.active;
    return link !== undefined && sync.inStep(link);
  });
}

function isInStepWith({ levels, sync }: NodeState, isFit: (region: string) => boolean): boolean {
  return [...levels.links].some(([link, { peer }]) => {
    const region = levels.guests.get(peer)?.member.region;
    return region !== undefined && sync.inStep(link) && isFit(region);
  });
}
