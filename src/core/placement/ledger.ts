import type { NodeId } from "../records/record.ts";
import type { PlacementInput, Workload } from "./contract.ts";

export type Used = { readonly cpuMilli: number; readonly memoryBytes: number; readonly pods: number };

/** What is taken on each node: by what runs there, and by what this placement gave it so far. */
export type Ledger = {
  readonly usedOn: (node: NodeId) => Used;
  readonly take: (node: NodeId, requests: Workload["requests"]) => void;
};

const nothing: Used = { cpuMilli: 0, memoryBytes: 0, pods: 0 };

export function openLedger(input: PlacementInput): Ledger {
  const used = new Map<NodeId, Used>();
  const take = (node: NodeId, { cpuMilli, memoryBytes }: Workload["requests"]): void => {
    const before = used.get(node) ?? nothing;
    used.set(node, {
      cpuMilli: before.cpuMilli + cpuMilli,
      memoryBytes: before.memoryBytes + memoryBytes,
      pods: before.pods + 1,
    });
  };
  for (const pod of input.pods) if (!pod.ended) take(pod.node, pod.requests);
  return { usedOn: (node) => used.get(node) ?? nothing, take };
}
