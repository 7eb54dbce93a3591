import type { ObjectRef } from "../records/keys.ts";
import type { PlaceNode, PlacementInput, PlacePod, SlotExplanation, Workload } from "./contract.ts";
import { isLost } from "./filter.ts";
import { rankNodes } from "./rank.ts";
import { inOrder, mayHold, workloadKey, type SlotGroup } from "./slots.ts";
import { survey, type SlotState, type Survey, type Surveyed } from "./survey.ts";

/**
 * Every slot of a workload: who holds it, who is next and why, who is out and why. For a slot that needs a
 * copy this is the ranking by which `decide` starts one; for one that is held, who would be next.
 */
export function explain(unordered: PlacementInput, ref: ObjectRef): readonly SlotExplanation[] {
  const surveyed = survey(inOrder(unordered));
  return surveyed.groups
    .filter(({ workload }) => workloadKey(workload.ref) === workloadKey(ref))
    .flatMap((group) => group.states.map((state) => explainSlot(surveyed, group, state)));
}

function explainSlot(
  { nodeById, ledger }: Survey,
  { workload, group, assigned, counts }: Surveyed,
  { slot, pods }: SlotState,
): SlotExplanation {
  const { ranked, excluded } =
    assigned.find((assignment) => assignment.slot === slot)?.ranking ??
    rankNodes(slot, workload, group, pods, counts, ledger);
  return {
    slot,
    heldBy: pods.map((pod) => holder(pod, slot, nodeById.get(pod.node), workload, group)),
    ranking: ranked.map(({ node, score, note }) => ({ node: node.name, score, note })),
    excluded: excluded.map(({ node, exclusion }) => ({ node: node.name, ...exclusion })),
  };
}

function holder(
  pod: PlacePod,
  slot: string,
  node: PlaceNode | undefined,
  workload: Workload,
  group: SlotGroup,
): SlotExplanation["heldBy"][number] {
  const notes = [pod.ended ? "ended" : pod.ready ? "ready" : "not ready"];
  if (pod.revision !== workload.revision) notes.push(`older revision ${pod.revision}`);
  if (node === undefined) notes.push("its node is no member");
  else if (!mayHold(group, slot, node)) notes.push("does not belong there, does not hold the slot");
  else if (isLost(node, workload.policy)) notes.push(`counts as lost: ${node.verdict}`);
  else if (node.verdict !== "alive") notes.push(`${node.verdict}, still holds the slot`);
  return { uid: pod.uid, node: node?.name ?? pod.node, note: notes.join(", ") };
}
