import type { PartitionPolicy, PlaceNode, Toleration, Workload } from "./contract.ts";
import type { Ledger } from "./ledger.ts";

/** Why a node cannot take a new copy: the filter's name, and what it saw. */
export type Exclusion = { readonly filter: string; readonly detail: string };

/** The first filter that keeps a new copy of the workload off the node; undefined when none does. */
export function exclusionOf(node: PlaceNode, workload: Workload, ledger: Ledger): Exclusion | undefined {
  if (node.verdict !== "alive") return { filter: "reachable", detail: `the node is ${node.verdict}` };
  if (node.cordoned) return { filter: "schedulable", detail: "the node is cordoned" };
  return mismatchOf(node, workload) ?? shortageOf(node, workload, ledger);
}

/** What does not depend on the moment: selector, taints, runtime. */
export function mismatchOf(node: PlaceNode, workload: Workload): Exclusion | undefined {
  for (const [label, value] of Object.entries(workload.nodeSelector)) {
    const has = node.labels[label];
    if (has !== value) {
      return {
        filter: "nodeSelector",
        detail: `wants ${label}=${value}, the node has ${has ?? "no such label"}`,
      };
    }
  }
  const taint = node.taints.find(
    ({ key, value, effect }) =>
      effect !== "PreferNoSchedule" && !isTolerated({ key, value, effect }, workload.tolerations),
  );
  if (taint !== undefined) {
    return { filter: "taint", detail: `the node has ${taint.key}=${taint.value}:${taint.effect}` };
  }
  if (!node.runtimes.includes(workload.runtime)) {
    const has = node.runtimes.length === 0 ? "none" : node.runtimes.join(", ");
    return { filter: "runtime", detail: `wants the runtime ${workload.runtime}, the node has ${has}` };
  }
  return undefined;
}

/** Whether a DaemonSet's pod belongs on the node at all: what already runs there stays for a NoSchedule taint. */
export function belongsOn(node: PlaceNode, workload: Workload): boolean {
  const { filter } = mismatchOf(node, workload) ?? {};
  return filter === undefined || (filter === "taint" && !isEvicted(node, workload));
}

/** A NoExecute taint that the workload does not tolerate ends its copies on the node. */
export function isEvicted(node: PlaceNode, workload: Workload): boolean {
  return node.taints.some(
    (taint) => taint.effect === "NoExecute" && !isTolerated(taint, workload.tolerations),
  );
}

/** Soft taints rank a node behind the others. */
export function isAvoided(node: PlaceNode, workload: Workload): boolean {
  return node.taints.some(
    (taint) => taint.effect === "PreferNoSchedule" && !isTolerated(taint, workload.tolerations),
  );
}

/**
 * Whether copies on the node count as lost: it is dead, or unreachable for longer than the policy allows.
 * Until then they hold their slots: unknown is neither dead nor fine.
 */
export function isLost(node: PlaceNode, policy: PartitionPolicy): boolean {
  if (node.verdict === "dead") return true;
  return (
    node.verdict === "unreachable" && policy.onPartition !== "freeze" && node.verdictFor >= policy.lostAfter
  );
}

function shortageOf(node: PlaceNode, { requests }: Workload, ledger: Ledger): Exclusion | undefined {
  const used = ledger.usedOn(node.id);
  const { allocatable } = node;
  if (used.cpuMilli + requests.cpuMilli > allocatable.cpuMilli) {
    return {
      filter: "cpu",
      detail: `wants ${requests.cpuMilli}m, ${allocatable.cpuMilli - used.cpuMilli}m are free`,
    };
  }
  if (used.memoryBytes + requests.memoryBytes > allocatable.memoryBytes) {
    const free = allocatable.memoryBytes - used.memoryBytes;
    return { filter: "memory", detail: `wants ${requests.memoryBytes} bytes, ${free} are free` };
  }
  if (used.pods + 1 > allocatable.pods) {
    return { filter: "pods", detail: `${used.pods} of ${allocatable.pods} pods run there` };
  }
  return undefined;
}

function isTolerated(
  taint: { readonly key: string; readonly value: string; readonly effect: string },
  tolerations: readonly Toleration[],
): boolean {
  return tolerations.some(
    ({ key, operator, value, effect }) =>
      (key === undefined ? operator === "Exists" : key === taint.key) &&
      (operator === "Exists" || (value ?? "") === taint.value) &&
      (effect === undefined || effect === "" || effect === taint.effect),
  );
}
