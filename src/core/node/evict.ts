import type { Eviction } from "./eviction.ts";
import { publishPod } from "./own-records.ts";
import { isJob } from "./job-standing.ts";
import { stopPod } from "./pods.ts";
import { note, placeSoon, type Turn } from "./turn.ts";

/** Takes a pod off this machine: its fact says so, and placement ends it once its slot is filled elsewhere. */
export function evictPod(turn: Turn, { uid, within, why }: Eviction): void {
  const pod = turn.state.pods.get(uid);
  if (pod === undefined || pod.stopping) return;
  // A second copy of a job's pod would do its work twice.
  if (within !== undefined || isJob(pod.body.workload)) return stopPod(turn, uid, "evicted", why, within);
  if (pod.body.yields === true) return;
  pod.body = { ...pod.body, yields: true };
  publishPod(turn, uid, pod.body);
  note(turn, "info", "PodEvicted", `${pod.body.name}: ${why}`, pod.body.workload);
  placeSoon(turn);
}
