import type { Pass } from "./assign.ts";
import type { Forecast } from "./contract.ts";
import { whyOutOfReach } from "./out-of-reach.ts";
import { isAlive, rungOf, type Group, type Host, type PlannerState } from "./planner-state.ts";
import type { SlotState } from "./standing.ts";

/** Where every slot is or would be placed now, whoever has to do it. */
export function forecastOf(state: PlannerState, pass: Pass): readonly Forecast[] {
  const forecasts: Forecast[] = [];
  for (const { group, slot, line, variant, why } of pass.assignments)
    forecasts.push(about(group, slot, "starts", line[0]?.host, variant.name, why));
  for (const { group, slot, host, victims } of pass.preemptions) {
    const names = victims.map(({ workload, slot: of }) => `${of} of ${workload.name}`).join(", ");
    const smallest = group.wanted.ladder.at(-1)?.name ?? "";
    forecasts.push(about(group, slot, "preempts", host, smallest, `ends ${names}`));
  }
  for (const { group, slot } of pass.waiting) {
    if (slot.live.length > 0) continue;
    const why = whyOutOfReach(state, group, slot.slot) ?? "no node has room for it";
    forecasts.push(about(group, slot, "waits", undefined, "", why));
  }
  const told = new Set(forecasts.map(keyOf));
  for (const { groups } of state.wantedByKey.values()) {
    for (const group of groups.values()) {
      for (const slot of group.standing.states) {
        const pod = slot.live.find((candidate) => isAlive(state, candidate)) ?? slot.live[0];
        if (pod === undefined) continue;
        const host = state.hostById.get(pod.node);
        const variant = group.wanted.ladder[rungOf(group.wanted, pod)]?.name ?? "";
        const why = host?.node.verdict === "alive" ? "runs there" : "its node is out of reach and holds it";
        const stays = about(group, slot, "stays", host, variant, why);
        if (!told.has(keyOf(stays))) forecasts.push(stays);
      }
    }
  }
  return forecasts.sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}

function about(
  { wanted }: Group,
  { slot }: SlotState,
  outcome: Forecast["outcome"],
  host: Host | undefined,
  variant: string,
  why: string,
): Forecast {
  return {
    workload: wanted.workload.ref,
    slot,
    outcome,
    node: host?.node.name,
    site: host?.node.site,
    variant: variant === "" ? undefined : variant,
    why,
  };
}

const keyOf = ({ workload, slot }: Forecast): string =>
  `${workload.namespace} ${workload.kind} ${workload.name} ${slot}`;
