import type { ObjectRef } from "../records/keys.ts";
import type { PlaceNode, PlacementInput, PlacePod, SlotExplanation, Workload } from "./contract.ts";
import { isLost } from "./filter.ts";
import { openLedger } from "./ledger.ts";
import { rankNodes } from "./rank.ts";
import { groupsOf, inOrder, podsBySlot, workloadKey } from "./slots.ts";

/** Every slot of a workload: who holds it, who would be next and why, who is out and why. */
export function explain(unordered: PlacementInput, ref: ObjectRef): readonly SlotExplanation[] {
  const input = inOrder(unordered);
  const workload = input.workloads.find((candidate) => workloadKey(candidate.ref) === workloadKey(ref));
  if (workload === undefined) return [];
  const nodeById = new Map(input.nodes.map((node) => [node.id, node] as const));
  const bySlot = podsBySlot(input.pods).get(workloadKey(ref)) ?? new Map<string, PlacePod[]>();
  const ledger = openLedger(input);
  return groupsOf(workload, input.nodes).flatMap((group) =>
    group.slots.map((slot) => {
      const pods = bySlot.get(slot) ?? [];
      const { ranked, excluded } = rankNodes(slot, workload, group, pods, new Map(), ledger);
      return {
        slot,
        heldBy: pods.map((pod) => holder(pod, nodeById.get(pod.node), workload)),
        ranking: ranked.map(({ node, score, note }) => ({ node: node.name, score, note })),
        excluded: excluded.map(({ node, exclusion }) => ({ node: node.name, ...exclusion })),
      };
    }),
  );
}

function holder(
  pod: PlacePod,
  node: PlaceNode | undefined,
  workload: Workload,
): SlotExplanation["heldBy"][number] {
  const notes = [pod.ended ? "ended" : pod.ready ? "ready" : "not ready"];
  if (pod.revision !== workload.revision) notes.push(`older revision ${pod.revision}`);
  if (node === undefined) notes.push("its node is no member");
  else if (isLost(node, workload.policy)) notes.push(`counts as lost: ${node.verdict}`);
  else if (node.verdict !== "alive") notes.push(`${node.verdict}, still holds the slot`);
  return { uid: pod.uid, node: node?.name ?? pod.node, note: notes.join(", ") };
}
