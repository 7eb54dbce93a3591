import { hostsOf } from "./line-up.ts";
import type { Group, PlannerState } from "./planner-state.ts";

/**
 * Of a slot that waits: that all the nodes that it may go to are out of reach, and not that they are full.
 *
 * @returns A sentence; undefined when a node for it is in reach.
 */
export function whyOutOfReach(state: PlannerState, group: Group, slot: string): string | undefined {
  const owner = group.ownerBySlot?.get(slot);
  if (owner !== undefined)
    return owner.node.verdict === "alive" ? undefined : `its node ${owner.node.name} is out of reach`;
  for (const { node } of hostsOf(state, group)) if (node.verdict === "alive") return undefined;
  return group.site === undefined ? "no node is in reach" : `no node of site ${group.site.name} is in reach`;
}
