import type { PodUid } from "./contract.ts";

/** A pod that could be evicted for want of memory. */
export type Tenant = {
  readonly uid: PodUid;
  readonly usedBytes: number;
  readonly requestBytes: number;
  readonly priority: number;
};

/** Pods of the system's own classes stay, as with the kubelet. */
const criticalPriority = 2_000_000_000;

/**
 * Which pod goes first, in the kubelet's order for memory (Kubernetes documentation, Node-pressure Eviction,
 * "Pod selection for kubelet eviction"): those that use more than they requested; then lower priority; then
 * how much more. Equals by uid.
 *
 * @param worthBytes A pod that uses less is let be: to end it frees nothing.
 * @returns Undefined when nobody is to go.
 */
export function firstToGo(tenants: readonly Tenant[], worthBytes: number): Tenant | undefined {
  return tenants
    .filter(({ priority, usedBytes }) => priority < criticalPriority && usedBytes >= worthBytes)
    .sort(
      (left, right) =>
        Number(excessOf(right) > 0) - Number(excessOf(left) > 0) ||
        left.priority - right.priority ||
        excessOf(right) - excessOf(left) ||
        (left.uid < right.uid ? -1 : 1),
    )[0];
}

const excessOf = ({ usedBytes, requestBytes }: Tenant): number => usedBytes - requestBytes;
