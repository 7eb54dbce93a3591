import { seconds, type Duration } from "../kernel/time.ts";
import type { PodBody } from "../records/bodies.ts";
import { objectKey } from "../records/keys.ts";
import { restartBudgetAnnotation, restartBudgetDefault } from "../intents/restart-budget.ts";
import { evictPod } from "./evict.ts";
import { healthSoon } from "./health.ts";
import { restartsOf } from "./job-ends.ts";
import { objectAt, stringsAt } from "./json-at.ts";
import { hasOtherNode } from "./other-node.ts";
import { placeKey } from "./place-key.ts";
import type { LocalPod } from "./state.ts";
import { note, placeSoon, type Turn } from "./turn.ts";

/**
 * A Deployment's copy that is started again too often on this node is left to another one: the node strikes the
 * workload off for a while, at the revision that failed, and says so. Each time it does, for twice as long, so a
 * program that runs nowhere hops ever more rarely; where every other node has struck it off it stays, and the
 * runtime's backoff slows it down.
 */

const strikeFirst: Duration = seconds(600);
const strikeMax: Duration = seconds(6 * 3_600);
/** How long after a strike the next one is still longer. */
const rememberFor: Duration = seconds(12 * 3_600);
/** A copy that was ready for so long is sound: its restarts are forgiven. The same as the runtime's. */
const soundAfter: Duration = seconds(600);
const strikesMax = 32;

/** After a report: whether the copy is to be left to another node. */
export function countRestarts(turn: Turn, uid: string, before: PodBody): void {
  const { state, env } = turn;
  const pod = state.pods.get(uid);
  if (pod === undefined || pod.body.workload.kind !== "Deployment") return;
  if (pod.body.ready) {
    if (!before.ready) pod.readySince = env.now;
    return;
  }
  pod.readySince = undefined;
  const failed = pod.body.phase === "Failed" && before.phase !== "Failed";
  if (!failed && restartsOf(pod.body) <= restartsOf(before)) return;
  const key = objectKey(pod.body.workload);
  const placed = state.workloads.get(key);
  if (placed === undefined || placed.workload.revision !== pod.body.revision) return;
  const budget = budgetOf(stringsAt(objectAt(placed.object.value, "metadata"), "annotations"));
  const known = state.strikes.get(key);
  const isKnown = known?.revision === pod.body.revision;
  const failures = state.backoffs.get(placeKey(pod.body.workload, pod.body.slot))?.failures ?? 0;
  const spent = Math.max(failures, restartsOf(pod.body) - (pod.restartsForgiven ?? 0));
  // Whoever comes back after it failed here has one try.
  if (budget === 0 || spent < (isKnown ? 1 : budget) || !hasOtherNode(turn, pod)) return;
  strike(turn, pod, isKnown ? known.times : 0, spent);
  if (!failed) evictPod(turn, { type: "evict", uid, within: undefined, why: `started again ${spent} times` });
}

function strike(turn: Turn, { body }: LocalPod, times: number, spent: number): void {
  const { state, env } = turn;
  const { workload, revision } = body;
  const lasts = Math.min(strikeMax, strikeFirst * 2 ** Math.min(16, times));
  const until = Math.max(0, Math.round(env.wall + lasts));
  const key = objectKey(workload);
  state.strikes.delete(key);
  state.strikes.set(key, { workload: { ...workload }, revision, times: times + 1, until });
  for (const oldest of state.strikes.keys()) {
    if (state.strikes.size <= strikesMax) break;
    state.strikes.delete(oldest);
  }
  const message = `${body.name} was started again ${spent} times: it is left to other nodes for ${lasts / 60_000} minutes`;
  note(turn, "warning", "RestartBudgetSpent", message, workload);
  healthSoon(turn);
  placeSoon(turn);
}

/** Forgives what is sound again, and forgets what is long past or no longer wanted. */
export function tendStrikes({ state, env }: Turn): void {
  const { strikes, pods, workloads, health } = state;
  if (!state.booted || env.now < health.lookAt) return;
  for (const pod of pods.values()) {
    if (pod.readySince === undefined || env.now < pod.readySince + soundAfter) continue;
    pod.restartsForgiven = restartsOf(pod.body);
    strikes.delete(objectKey(pod.body.workload));
  }
  // What is wanted is known from the first placement on.
  if (state.placedAt === Number.NEGATIVE_INFINITY) return;
  for (const [key, { revision, until }] of strikes) {
    const wanted = workloads.get(key)?.workload.revision;
    if (until + rememberFor <= env.wall || wanted !== revision) strikes.delete(key);
  }
}

function budgetOf(annotations: { readonly [name: string]: string }): number {
  const text = annotations[restartBudgetAnnotation];
  return text === undefined ? restartBudgetDefault : Number(text);
}
