import type { Duration, Instant } from "../kernel/time.ts";
import { objectKey, type ObjectRef } from "../records/keys.ts";
import type { NodeState } from "./state.ts";
import { placeSoon, type Turn } from "./turn.ts";

/**
 * Workloads that a void record was part of. With it goes what its author wrote of them before its end, which
 * that record had replaced here; whoever heard of the end first has that still, and gives it back with the next
 * comparison. Until then what is wanted of them is what was: half a manifest looks like the end of a workload.
 */
export type Voided = { readonly ref: ObjectRef; readonly at: Instant; readonly until: Instant };

/** Comparisons come this often, give or take a quarter. */
const comparisons = 2;

export function objectVoided(turn: Turn, ref: ObjectRef): void {
  const { state, env } = turn;
  const patience: Duration = comparisons * state.config.compareEvery;
  state.voided.set(objectKey(ref), { ref, at: env.now, until: env.now + patience });
  placeSoon(turn);
}

/** Only what is placed already is left as it is. */
export const isHeld = ({ voided, workloads }: NodeState, ref: ObjectRef): boolean => {
  const key = objectKey(ref);
  return voided.has(key) && workloads.has(key);
};

/** Whether what a write changed was voided since it was planned. */
export const isVoidedSince = ({ voided }: NodeState, ref: ObjectRef, since: Instant): boolean =>
  (voided.get(objectKey(ref))?.at ?? Number.NEGATIVE_INFINITY) >= since;

/** Those whose time has come, which are held no longer. */
export function endVoids({ voided }: NodeState, now: Instant): readonly ObjectRef[] {
  const over = [...voided].filter(([, { until }]) => until <= now);
  for (const [key] of over) voided.delete(key);
  return over.map(([, { ref }]) => ref);
}

export const voidsEndAt = ({ voided }: NodeState): Instant =>
  Math.min(Number.POSITIVE_INFINITY, ...[...voided.values()].map(({ until }) => until));
