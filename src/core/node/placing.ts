import type { Duration, Instant } from "../kernel/time.ts";
import { objectKey } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";
import { shareChangesAt } from "./allotment.ts";
import { leaseFor, mayBeExclusive, wantLeases, type ExclusiveSlot } from "./exclusive.ts";
import { feedPlanner } from "./feed.ts";
import { forgetFilled, jobMayStartAt, jobsChangeAt, tendJobs } from "./feed-jobs.ts";
import { isKept } from "./job-ends.ts";
import { tellMembership } from "./links.ts";
import { isJob } from "./job-standing.ts";
import { windowsChangeAt } from "./maintenance.ts";
import { inOrdinalOrder } from "./ordinals.ts";
import { placeKey } from "./place-key.ts";
import { claimSlot, releaseFormer, startWaitingPods, stopPod } from "./pods.ts";
import type { Turn } from "./turn.ts";
import { voidsEndAt } from "./voided.ts";

/** Those ahead of us need longer for many claims: so many of them take `claimDelay` once more. */
const claimsAtOnce = 8;
const slowerMax = 6;
/** Whether those whom we asked have answered is looked up so often. */
const lookAgainAfter: Duration = 20;

/** Computes this node's own share of the placement and does it. */
export function placeIfDue(turn: Turn): void {
  const { state, env } = turn;
  if (state.booted && state.index.goneSince.has(state.identity.id)) return endAll(turn);
  if (!state.booted || state.status === undefined) return;
  if (env.now < Math.max(state.settledAt, state.placeAt, state.levels.placeFrom)) return;
  state.placedAt = env.now;
  feedPlanner(state, env);
  startWaitingPods(turn);
  const plan = inOrdinalOrder(turn, state.planner.plan(env));
  state.placeAt = Math.min(
    env.now + Math.max(1, plan.again),
    shareChangesAt(state, env.now),
    windowsChangeAt(state, env),
    voidsEndAt(state),
    jobsChangeAt(state, env),
  );
  const waiting = new Map<string, Instant>();
  forgetFilled(state, plan.starts);
  const exclusive: ExclusiveSlot[] = [];
  const behind = plan.starts.filter(({ after }) => after > 0).length;
  for (const start of plan.starts) {
    const { workload: ref, slot, after } = start;
    const key = placeKey(ref, slot);
    const turnAt = env.now + after * Math.min(slowerMax, 1 + behind / claimsAtOnce);
    let asked = Math.min(state.waitingStarts.get(key) ?? Number.POSITIVE_INFINITY, turnAt);
    if (isJob(ref)) asked = jobMayStartAt(state, objectKey(ref), start, env);
    const due = Math.max(asked, state.backoffs.get(key)?.until ?? asked);
    const placed = state.workloads.get(objectKey(ref));
    const needsLease = placed?.workload.policy.onPartition === "majority";
    const lease = needsLease ? leaseFor(turn, ref, slot) : undefined;
    if (due > env.now || placed === undefined) waiting.set(key, due);
    else if (after > 0 && !haveAnswered(turn, start.behind, asked)) waiting.set(key, asked);
    else if (!needsLease || lease !== undefined) claimSlot(turn, placed, start, lease);
    else if (mayBeExclusive(turn, ref, slot)) exclusive.push({ ref, slot, since: due });
  }
  state.waitingStarts.clear();
  for (const [key, due] of waiting) {
    state.waitingStarts.set(key, due);
    state.placeAt = Math.min(state.placeAt, due > env.now ? due : env.now + lookAgainAfter);
  }
  // Not waited for by time: the lease machine says when there is a lease.
  for (const { ref, slot, since } of exclusive) state.waitingStarts.set(placeKey(ref, slot), since);
  wantLeases(turn, exclusive);
  for (const { uid, reason, why } of plan.stops) stopPod(turn, uid, reason, why);
  clearEnded(turn);
  tendJobs(turn);
  releaseFormer(turn, new Set(state.waitingStarts.keys()));
}

/**
 * Whether we have read what the better-ranked said up to the moment when it was our turn. A claim may be under way,
 * unread among much else, when either of us is busy: they are asked, and answer after it on the same link. Twice,
 * since the first question may overtake the news of what is to be claimed; whatever had arrived with it is read
 * before the second. Who does not answer is found out of reach, and no longer ranked; to whom we have no link,
 * nothing can be asked.
 */
function haveAnswered(turn: Turn, behind: readonly NodeId[], since: Instant): boolean {
  const { state, env } = turn;
  let all = true;
  for (const id of behind) {
    const { link, answeredFrom = Number.NEGATIVE_INFINITY } = state.membership.evidence(id) ?? {};
    if (link === undefined) continue;
    const asked = state.claimsAsked.get(id);
    if (asked?.again !== undefined && asked.first >= since && answeredFrom >= asked.again) continue;
    all = false;
    const anew = asked === undefined || asked.first < since;
    if (!anew && (asked.again !== undefined || answeredFrom < asked.first)) continue;
    state.claimsAsked.set(id, anew ? { first: env.now } : { ...asked, again: env.now });
    tellMembership(turn, { type: "ask", peer: id });
  }
  return all;
}

/** Whoever has left or was revoked runs nothing any more: the others fill its slots. */
function endAll(turn: Turn): void {
  const { state } = turn;
  state.placeAt = Number.POSITIVE_INFINITY;
  for (const uid of state.pods.keys()) stopPod(turn, uid, "left", "this node is no longer a member");
}

/** Pods that ended are cleared away once something else fills their place, or nothing wants it. */
function clearEnded(turn: Turn): void {
  const { state } = turn;
  for (const [uid, pod] of state.pods) {
    const { phase, workload, slot, name } = pod.body;
    if (pod.stopping || pod.failed === "ending" || (phase !== "Failed" && phase !== "Succeeded")) continue;
    const key = placeKey(workload, slot);
    // Evicted: people look for why while memory is short.
    if (pod.failed === "over" && state.pressure.since !== undefined) continue;
    if (state.waitingStarts.has(key) || isKept(turn, uid)) continue;
    stopPod(turn, uid, "ended", `${name} has ended and its place is filled or no longer wanted`);
  }
}
