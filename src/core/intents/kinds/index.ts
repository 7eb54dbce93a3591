import { configMap, namespace, node, service } from "./core-kinds.ts";
import { podDisruptionBudget } from "./disruption-budget.ts";
import { cronJob, job } from "./jobs.ts";
import type { Kind } from "./kind.ts";
import { linkPolicy } from "./link-policy.ts";
import { priorityClass } from "./priority-class.ts";
import { daemonSet, deployment, statefulSet } from "./workloads.ts";

const kinds: readonly Kind[] = [
  configMap,
  namespace,
  node,
  service,
  daemonSet,
  deployment,
  statefulSet,
  cronJob,
  job,
  podDisruptionBudget,
  priorityClass,
  linkPolicy,
];
const kindByName = new Map(kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind] as const));

/** Every kind that people may write, in a fixed order. */
export const allKinds = (): readonly Kind[] => kinds;

/** The kind of a group; undefined for what is not supported. */
export const kindOf = (group: string, kind: string): Kind | undefined => kindByName.get(`${group}/${kind}`);
