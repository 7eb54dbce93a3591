import type { Forecast, PlacementInput, PlacementPlan, SlotExplanation } from "./contract.ts";
import type { ObjectRef } from "../records/keys.ts";
import { createPlanner, type Planner } from "./planner.ts";

/**
 * What a node is to start and stop, from a view alone. Every node computes the same answer from the same
 * view, whatever the order of the lists, and carries out its own part of it.
 */
export const decide = (input: PlacementInput): PlacementPlan => plannerOf(input).plan(input);

/** Every slot of a workload: who holds it, who is next and why, who is out and why. */
export const explain = (input: PlacementInput, ref: ObjectRef): readonly SlotExplanation[] =>
  plannerOf(input).explain(ref, input);

/** Where every slot is, or would be placed. */
export const forecast = (input: PlacementInput): readonly Forecast[] => plannerOf(input).forecast(input);

export function plannerOf({ self, quietPeriod, claimDelay, ...input }: PlacementInput): Planner {
  const planner = createPlanner({ self, quietPeriod, claimDelay });
  for (const workload of input.workloads) planner.handle({ type: "workload", workload });
  for (const node of input.nodes) planner.handle({ type: "node", node });
  for (const pod of input.pods) planner.handle({ type: "pod", pod });
  return planner;
}
