import type { LeafKind } from "./path.ts";

/**
 * Leaves that nobody means to own: the order of items, the mark of an empty object, and what
 * `kubectl apply` notes for itself. The newest write wins without a word.
 */
export function isSoft(path: string, leaf: LeafKind): boolean {
  return leaf.type !== "value" || path === lastApplied;
}

const lastApplied = 'metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]';
