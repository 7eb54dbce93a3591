import type { Pass } from "./assign.ts";
import type { Moment, PlacePod, SlotExplanation } from "./contract.ts";
import { isLost } from "./filter.ts";
import { exclusions, lineUp, noteOf, openField } from "./line-up.ts";
import { mayHold, type Group, type PlannerState, type Wanted } from "./planner-state.ts";
import { take } from "./resources.ts";
import type { SlotState } from "./standing.ts";

/**
 * Every slot of a workload, within a pass. For a slot that needs a copy this is the ranking by which a
 * plan starts one; for one that is held, who would be next.
 */
export function explainWorkload(
  state: PlannerState,
  pass: Pass,
  wanted: Wanted,
  at: Moment,
): readonly SlotExplanation[] {
  return [...wanted.groups.values()]
    .sort((left, right) => ((left.site?.name ?? "") < (right.site?.name ?? "") ? -1 : 1))
    .flatMap((group) => group.slots.map((slot) => explainSlot(state, pass, group, slot, at)));
}

function explainSlot(
  state: PlannerState,
  pass: Pass,
  group: Group,
  slot: string,
  at: Moment,
): SlotExplanation {
  const { wanted, standing } = group;
  const stands = [...standing.states, ...standing.empty].find((candidate) => candidate.slot === slot);
  const slotState: SlotState = stands ?? { slot, pods: [], live: [], current: [], old: [] };
  const assigned = pass.assignments.find((entry) => entry.group === group && entry.slot.slot === slot);
  const smallest = wanted.ladder.at(-1);
  const [best] = wanted.ladder;
  const variant = assigned?.variant ?? (stands?.live.length === 0 ? smallest : best);
  const rank = (): Pick<Pass["assignments"][number], "line" | "excluded"> => {
    if (variant === undefined) return { line: [], excluded: [] };
    const field = openField(state, group, { variant, keepFree: 0 }, standing.countByHost, at);
    return withoutOwn(state, slotState, () => ({
      excluded: exclusions(field, slotState),
      line: lineUp(field, slotState, Number.POSITIVE_INFINITY),
    }));
  };
  const { line, excluded } = assigned ?? rank();
  return {
    slot,
    variant: variant === undefined || variant.name === "" ? undefined : variant.name,
    heldBy: slotState.pods.map((pod) => holder(state, group, pod, slot, at)),
    ranking: line.map((candidate) => ({
      node: candidate.host.node.name,
      score: candidate.score,
      points: candidate.points,
      note: noteOf(candidate),
    })),
    lastResort: assigned?.lastResort === true,
    excluded: excluded.map(({ host, exclusion }) => ({ node: host.node.name, ...exclusion })),
  };
}

/** With the room of the slot's own copies free: who holds a slot would fit there again. */
export function withoutOwn<T>(state: PlannerState, { live }: SlotState, look: () => T): T {
  const own = live.flatMap(({ node, requests }) => {
    const host = state.hostById.get(node);
    return host === undefined ? [] : [{ used: host.used, requests }];
  });
  for (const { used, requests } of own) take(used, requests, -1);
  const seen = look();
  for (const { used, requests } of own) take(used, requests, 1);
  return seen;
}

function holder(
  state: PlannerState,
  group: Group,
  pod: PlacePod,
  slot: string,
  { now }: Moment,
): SlotExplanation["heldBy"][number] {
  const host = state.hostById.get(pod.node);
  const { workload } = group.wanted;
  const notes = [pod.ended ? "ended" : pod.ready ? "ready" : "not ready"];
  if (pod.variant !== undefined) notes.push(`variant ${pod.variant}`);
  if (pod.revision !== workload.revision) notes.push(`older revision ${pod.revision}`);
  if (host === undefined) notes.push("its node is no member");
  else if (!mayHold(group, slot, host)) notes.push("does not belong there, does not hold the slot");
  else if (isLost(host.node, workload.policy, now)) notes.push(`counts as lost: ${host.node.verdict}`);
  else if (host.node.verdict !== "alive") notes.push(`${host.node.verdict}, still holds the slot`);
  return { uid: pod.uid, node: host?.node.name ?? pod.node, note: notes.join(", ") };
}
