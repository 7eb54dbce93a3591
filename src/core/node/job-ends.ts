import type { JobBody, PodBody } from "../records/bodies.ts";
import { objectKey } from "../records/keys.ts";
import { isJob } from "./job-standing.ts";
import { publishJob } from "./own-records.ts";
import { factsOf } from "./records-index.ts";
import { note, type Turn } from "./turn.ts";

/** Ended pods of jobs that are kept for their logs, on one node. */
const keptMax = 64;

/** What became of a pod of a job is said apart from the pod, so that it outlives it. */
export function recordJobEnd(turn: Turn, before: PodBody, body: PodBody): void {
  if (!isJob(body.workload)) return;
  const ended = hasEnded(body) && !hasEnded(before);
  // Programs that are started again in their pod have failed, too.
  const failures =
    Math.max(0, restartsOf(body) - restartsOf(before)) + (ended && body.phase === "Failed" ? 1 : 0);
  if (ended || failures > 0) record(turn, body, failures);
}

const hasEnded = ({ phase }: PodBody): boolean => phase === "Succeeded" || phase === "Failed";
export const restartsOf = ({ containers }: PodBody): number =>
  containers.reduce((sum, { restarts }) => sum + restarts, 0);

/** A run of a CronJob that began is known to have begun when its pod is gone: it goes on, and never begins anew. */
export function recordRunBegun(turn: Turn, { workload, slot }: PodBody): void {
  const { index, identity, jobs } = turn.state;
  const uid = jobs.byKey.get(objectKey(workload))?.object.uid;
  if (!isJob(workload) || uid === undefined || index.objectByKey.has(objectKey(workload))) return;
  if (factsOf(index, identity.id)?.jobs.has(uid) === true) return;
  publishJob(turn, uid, { base: slot.slice(0, slot.lastIndexOf("/")), done: [], failures: 0, at: 0 });
}

function record(turn: Turn, body: PodBody, failures: number): void {
  const { state, env } = turn;
  const job = state.jobs.byKey.get(objectKey(body.workload));
  if (job === undefined) return;
  const { uid, ref } = job.object;
  const at = body.slot.lastIndexOf("/");
  const base = body.slot.slice(0, at);
  const index = Number(body.slot.slice(at + 1));
  const held: JobBody = factsOf(state.index, state.identity.id)?.jobs.get(uid)?.body ?? {
    base,
    done: [],
    failures: 0,
    at: 0,
  };
  const wall = Math.max(0, Math.round(env.wall));
  if (body.phase !== "Succeeded") {
    publishJob(turn, uid, { ...held, failures: held.failures + failures, at: wall, failedAt: wall });
    return;
  }
  if (held.done.includes(index)) return;
  const done = [...held.done, index].sort((left, right) => left - right);
  publishJob(turn, uid, { ...held, done, at: wall });
  note(turn, "info", "Completed", `${body.name} has done ${body.slot}`, ref);
}

/** Whether an ended pod stays for its logs: while its job is there and nothing newer of its slot is here. */
export function isKept(turn: Turn, uid: string): boolean {
  const { pods, jobs } = turn.state;
  const pod = pods.get(uid);
  if (pod === undefined || !isJob(pod.body.workload)) return false;
  const key = objectKey(pod.body.workload);
  if (!jobs.byKey.has(key)) return false;
  let newer = 0;
  for (const [other, { body, stopping }] of pods) {
    if (other === uid || stopping || !isJob(body.workload) || body.claimedAt < pod.body.claimedAt) continue;
    if (objectKey(body.workload) === key && body.slot === pod.body.slot) return false;
    if (body.phase === "Succeeded" || body.phase === "Failed") newer++;
  }
  return newer < keptMax;
}
