import { fields, integer, list, optional, text, type Shaped } from "../kernel/shape.ts";

/**
 * `node/<id>/health`: what is wrong with a node in its own eyes, for people and for placement. It is written when
 * that changes, and every text in it is coarse, so that a node in lasting trouble costs no more than a sound one.
 */

const wall = integer(0, Number.MAX_SAFE_INTEGER);

/** Sorted by type. Later versions know more types. */
const trouble = fields({
  /** As a Kubernetes condition is named, for example `MemoryPressure`. */
  type: text(64),
  since: wall,
  reason: text(128),
  message: text(1024),
});
export type Trouble = Shaped<typeof trouble>;

const name = text(253);
/** A workload that this node does not take until then, because it was started again too often here. */
const strike = fields({
  workload: fields({ group: name, kind: name, namespace: name, name }),
  revision: text(64),
  /** How often in a row. */
  times: integer(1, 1_000_000),
  until: wall,
});
export type Strike = Shaped<typeof strike>;

export const healthBody = fields({
  troubles: list(trouble, 32),
  /** When the agent was started again within the last hour, oldest first. */
  restarts: optional(list(wall, 16)),
  strikes: optional(list(strike, 32)),
});
export type HealthBody = Shaped<typeof healthBody>;

/** The condition that keeps new pods away, and its taint as Kubernetes names it. */
export const memoryPressure = "MemoryPressure";
export const memoryPressureTaint = "node.kubernetes.io/memory-pressure";
