import { feedPlanner } from "./feed.ts";
import type { LocalPod } from "./state.ts";
import type { Turn } from "./turn.ts";

/** Whether another node in view would be given the pod's slot, one that has not struck its workload off. */
export function hasOtherNode({ state, env }: Turn, { body: { workload, slot } }: LocalPod): boolean {
  feedPlanner(state, env);
  const explained = state.planner.explain(workload, env).find((candidate) => candidate.slot === slot);
  return (
    explained?.lastResort === false && explained.ranking.some(({ node }) => node !== state.identity.name)
  );
}
