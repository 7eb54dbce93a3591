import type { Duration, Instant, WallTime } from "../kernel/time.ts";
import type { PartitionPolicy, PlaceNode, Taint, Toleration, Variant, Workload } from "./contract.ts";
import type { ObjectRef } from "../records/keys.ts";
import { ruleHolds, ruleText, rulesHold } from "./label-rules.ts";

/** Why a node cannot take a new copy: the filter's name, and what it saw. */
export type Exclusion = { readonly filter: string; readonly detail: string };

/** The moment's own reasons: out of reach, cordoned. */
export function unavailable(node: PlaceNode): Exclusion | undefined {
  if (node.verdict !== "alive") return { filter: "reachable", detail: `the node is ${node.verdict}` };
  if (node.cordoned) return { filter: "schedulable", detail: "the node is cordoned" };
  return undefined;
}

type Filter = (
  node: PlaceNode,
  workload: Workload,
  ladder: readonly Variant[],
  wall: WallTime,
) => Exclusion | undefined;

/** What does not depend on the moment: selector, affinity to nodes, taints, runtime, tier. */
export const mismatchOf: Filter = (node, workload, ladder, wall) => {
  for (const { check } of fixedFilters) {
    const exclusion = check(node, workload, ladder, wall);
    if (exclusion !== undefined) return exclusion;
  }
  return undefined;
};

/** Each with the name that it gives as its reason. */
export const fixedFilters: readonly { readonly name: string; readonly check: Filter }[] = [
  {
    name: "nodeSelector",
    check: (node, { nodeSelector }) => {
      for (const label in nodeSelector) {
        const [wants, has] = [nodeSelector[label], node.labels[label]];
        if (has === wants) continue;
        const detail = `wants ${label}=${wants ?? ""}, the node has ${has ?? "no such label"}`;
        return { filter: "nodeSelector", detail };
      }
      return undefined;
    },
  },
  {
    name: "nodeAffinity",
    check: (node, { constraints: { nodeRequired } }) => {
      if (nodeRequired.length === 0 || nodeRequired.some((rules) => rulesHold(rules, node.labels)))
        return undefined;
      const missing = nodeRequired[0]?.find((rule) => !ruleHolds(rule, node.labels));
      const has = missing === undefined ? "" : (node.labels[missing.key] ?? "no such label");
      const wants = missing === undefined ? "one of its terms" : ruleText(missing);
      return { filter: "nodeAffinity", detail: `wants ${wants}, the node has ${has}` };
    },
  },
  {
    name: "taint",
    check: (node, { tolerations }, _ladder, wall) => {
      for (const taint of node.taints) {
        if (taint.effect === "PreferNoSchedule" || toleratedUntil(taint, tolerations) > wall) continue;
        return { filter: "taint", detail: `the node has ${taint.key}=${taint.value}:${taint.effect}` };
      }
      return undefined;
    },
  },
  {
    name: "runtime",
    check: (node, { runtime }) => {
      if (node.runtimes.includes(runtime)) return undefined;
      const has = node.runtimes.length === 0 ? "none" : node.runtimes.join(", ");
      return { filter: "runtime", detail: `wants the runtime ${runtime}, the node has ${has}` };
    },
  },
  {
    name: "tier",
    check: (node, _workload, ladder) => {
      for (const { minTier } of ladder) if (isOfTier(node, minTier)) return undefined;
      const weakest = Math.max(...ladder.map(({ minTier }) => minTier));
      const detail = `wants tier ${weakest} or better, the node has ${node.labels[tierLabel] ?? "no tier"}`;
      return { filter: "tier", detail };
    },
  },
];

/** The node has seen it fail too often: it is given a copy only when no other node may take it. */
export function struckOff(
  { strikes }: PlaceNode,
  { ref, revision }: Workload,
  wall: WallTime,
): Exclusion | undefined {
  const struck = strikes?.find(
    (of) => of.revision === revision && of.until > wall && isSameObject(of.workload, ref),
  );
  if (struck === undefined) return undefined;
  const minutes = Math.ceil((struck.until - wall) / 60_000);
  return { filter: "restarts", detail: `it failed too often there, and may again in ${minutes} min` };
}

const isSameObject = (left: ObjectRef, right: ObjectRef): boolean =>
  left.name === right.name &&
  left.namespace === right.namespace &&
  left.kind === right.kind &&
  left.group === right.group;

export const tierLabel = "starlight.dev/tier";

/** Tier 1 is the strongest; 3 is any node, with or without a tier. */
export function isOfTier(node: PlaceNode, minTier: number): boolean {
  if (minTier >= 3) return true;
  const tier = Number(node.labels[tierLabel] ?? "4");
  return tier >= 1 && tier <= minTier;
}

/** Whether a DaemonSet's pod belongs on the node at all: what already runs there stays for a NoSchedule taint. */
export function belongsOn(
  node: PlaceNode,
  workload: Workload,
  ladder: readonly Variant[],
  wall: WallTime,
): boolean {
  const { filter } = mismatchOf(node, workload, ladder, wall) ?? {};
  return filter === undefined || (filter === "taint" && evictedAt(node, workload) > wall);
}

/** When a NoExecute taint ends the workload's copies on the node; Infinity when none does. */
export function evictedAt(node: PlaceNode, workload: Workload): WallTime {
  let at = Number.POSITIVE_INFINITY;
  for (const taint of node.taints)
    if (taint.effect === "NoExecute") at = Math.min(at, toleratedUntil(taint, workload.tolerations));
  return at;
}

/** Soft taints rank a node behind the others. */
export function isAvoided(node: PlaceNode, workload: Workload): boolean {
  return node.taints.some(
    (taint) =>
      taint.effect === "PreferNoSchedule" &&
      toleratedUntil(taint, workload.tolerations) !== Number.POSITIVE_INFINITY,
  );
}

/**
 * Whether copies on the node count as lost: it is dead, or unreachable for longer than the policy allows.
 * Until then they hold their slots: unknown is neither dead nor fine.
 */
export function isLost(node: PlaceNode, policy: PartitionPolicy, now: Instant): boolean {
  return node.verdict === "dead" || now - node.verdictSince >= patienceWith(node, policy);
}

/** How long the verdict must stand before time alone makes copies on the node lost; Infinity: never. */
export function patienceWith(node: PlaceNode, policy: PartitionPolicy): Duration {
  if (node.verdict !== "unreachable" || policy.onPartition === "freeze") return Number.POSITIVE_INFINITY;
  // A lease is not freed by what a site believes: no hurry to ask for it.
  const soon = node.lostBySite === true && policy.onPartition === "duplicate";
  return soon ? policy.lostBySiteAfter : policy.lostAfter;
}

/** Infinity: for ever; minus Infinity: not at all. The longest of the matching tolerations counts. */
function toleratedUntil(taint: Taint, tolerations: readonly Toleration[]): WallTime {
  let until = Number.NEGATIVE_INFINITY;
  for (const { key, operator, value, effect, forMs } of tolerations) {
    const matches =
      (key === undefined ? operator === "Exists" : key === taint.key) &&
      (operator === "Exists" || (value ?? "") === taint.value) &&
      (effect === undefined || effect === "" || effect === taint.effect);
    if (!matches) continue;
    const ends = forMs === undefined || taint.effect !== "NoExecute";
    until = Math.max(until, ends ? Number.POSITIVE_INFINITY : taint.since + forMs);
  }
  return until;
}
