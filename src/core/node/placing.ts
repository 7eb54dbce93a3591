import type { Instant } from "../kernel/time.ts";
import { objectKey } from "../records/keys.ts";
import { shareChangesAt } from "./allotment.ts";
import { feedPlanner } from "./feed.ts";
import { forgetFilled, jobMayStartAt, jobsChangeAt, tendJobs } from "./feed-jobs.ts";
import { isKept } from "./job-ends.ts";
import { isJob } from "./job-standing.ts";
import { windowsChangeAt } from "./maintenance.ts";
import { claimSlot, placeKey, releaseFormer, startWaitingPods, stopPod } from "./pods.ts";
import type { Turn } from "./turn.ts";

/** Computes this node's own share of the placement and does it. */
export function placeIfDue(turn: Turn): void {
  const { state, env } = turn;
  if (state.booted && state.index.goneSince.has(state.identity.id)) return endAll(turn);
  if (!state.booted || state.status === undefined) return;
  if (env.now < Math.max(state.settledAt, state.placeAt, state.levels.placeFrom)) return;
  state.placedAt = env.now;
  feedPlanner(state, env);
  startWaitingPods(turn);
  const plan = state.planner.plan(env);
  state.placeAt = Math.min(
    env.now + Math.max(1, plan.again),
    shareChangesAt(state, env.now),
    windowsChangeAt(state, env),
    jobsChangeAt(state, env),
  );
  const waiting = new Map<string, Instant>();
  forgetFilled(state, plan.starts);
  for (const start of plan.starts) {
    const { workload: ref, slot, variant, why } = start;
    const key = placeKey(ref, slot);
    const object = objectKey(ref);
    const asked = isJob(ref)
      ? jobMayStartAt(state, object, start, env)
      : Math.min(state.waitingStarts.get(key) ?? Number.POSITIVE_INFINITY, env.now + start.after);
    const due = Math.max(asked, state.backoffs.get(key)?.until ?? asked);
    const placed = state.workloads.get(object);
    if (due <= env.now && placed !== undefined) claimSlot(turn, placed, slot, variant, why);
    else waiting.set(key, due);
  }
  state.waitingStarts.clear();
  for (const [key, due] of waiting) {
    state.waitingStarts.set(key, due);
    state.placeAt = Math.min(state.placeAt, due);
  }
  for (const { uid, reason, why } of plan.stops) stopPod(turn, uid, reason, why);
  clearEnded(turn);
  tendJobs(turn);
  releaseFormer(turn, new Set(waiting.keys()));
}

/** Whoever has left or was revoked runs nothing any more: the others fill its slots. */
function endAll(turn: Turn): void {
  for (const uid of turn.state.pods.keys()) stopPod(turn, uid, "left", "this node is no longer a member");
}

/** Pods that ended are cleared away once something else fills their place, or nothing wants it. */
function clearEnded(turn: Turn): void {
  const { state } = turn;
  for (const [uid, pod] of state.pods) {
    const { phase, workload, slot, name } = pod.body;
    if (pod.stopping || (phase !== "Failed" && phase !== "Succeeded")) continue;
    const key = placeKey(workload, slot);
    if (state.waitingStarts.has(key) || isKept(turn, uid)) continue;
    stopPod(turn, uid, "ended", `${name} has ended and its place is filled or no longer wanted`);
  }
}
