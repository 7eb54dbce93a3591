import type { JsonObject } from "../core/kernel/json.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import type { NodeView } from "../core/node/contract.ts";
import { podsOf } from "./present-workload.ts";
import { selectedBy } from "./sites-selected.ts";
import { whyWaiting } from "./why-waiting.ts";
import { child, condition, timeOf } from "./values.ts";

/** Jobs and CronJobs as they stand, in Kubernetes' words. */

/** Its status, and the selector that finds its pods: `kubectl logs job/NAME` looks them up by it. */
export function jobParts(object: MergedObject, spec: JsonObject, view: NodeView): JsonObject {
  const { name } = object.ref;
  const { bases, suspended, ended } = view.job(object);
  const pods = podsOf(object.ref, view).filter(({ current }) => current);
  const active = pods.filter(({ body }) => body.phase === "Running" || body.phase === "Pending");
  const started = podsOf(object.ref, view).length > 0 || bases.some(({ done }) => done.length > 0);
  const conditions: JsonObject[] = [];
  if (suspended) conditions.push(condition("Suspended", "True", "JobSuspended", "", object.createdAt));
  if (ended !== undefined) {
    const failures = bases.reduce((sum, base) => sum + base.failures, 0);
    const message = ended.as === "Failed" ? `${failures} pods failed` : "";
    conditions.push(condition(ended.as, "True", ended.why, message, ended.at));
  }
  const waiting = ended === undefined && !suspended ? whyWaiting(object, view) : undefined;
  if (waiting !== undefined)
    conditions.push(condition("Degraded", "True", waiting.reason, waiting.message, object.createdAt));
  return {
    spec: { ...spec, selector: { matchLabels: { "batch.kubernetes.io/job-name": name.slice(0, 63) } } },
    status: {
      ...(started ? { startTime: timeOf(object.createdAt) } : {}),
      ...(ended?.as === "Complete" ? { completionTime: timeOf(ended.at) } : {}),
      active: active.length,
      ready: active.filter(({ body }) => body.ready).length,
      succeeded: bases.reduce((sum, { done }) => sum + done.length, 0),
      failed: bases.reduce((sum, { failures }) => sum + failures, 0),
      ...(selectedBy(object).perSite ? { sitesInView: bases.length } : {}),
      completedIndexes: bases.length === 1 ? ranges(bases[0]?.done ?? []) : "",
      uncountedTerminatedPods: {},
      conditions,
    },
  };
}

/** For the metadata of a job that a CronJob makes. */
export function jobOwner(object: MergedObject, view: NodeView): JsonObject {
  const owner = ownerOf(object, view);
  if (owner === undefined) return {};
  const { ref, uid } = owner;
  return {
    ownerReferences: [
      {
        apiVersion: "batch/v1",
        kind: "CronJob",
        name: ref.name,
        uid,
        controller: true,
        blockOwnerDeletion: false,
      },
    ],
  };
}

export function cronJobStatus(object: MergedObject, view: NodeView): JsonObject {
  const runs = view.objects("batch", "Job").filter((job) => ownerOf(job, view) === object);
  const active = runs.filter((job) => view.job(job).ended === undefined);
  const complete = runs.flatMap((job) => {
    const { ended } = view.job(job);
    return ended?.as === "Complete" ? [ended.at] : [];
  });
  return {
    active: active.map(({ ref, uid }) => ({
      apiVersion: "batch/v1",
      kind: "Job",
      name: ref.name,
      namespace: ref.namespace,
      uid,
    })),
    ...(runs.length === 0
      ? {}
      : { lastScheduleTime: timeOf(Math.max(...runs.map(({ createdAt }) => createdAt))) }),
    ...(complete.length === 0 ? {} : { lastSuccessfulTime: timeOf(Math.max(...complete)) }),
  };
}

/** The CronJob that makes a job; undefined for one that somebody wrote. */
function ownerOf({ ref, uid }: MergedObject, view: NodeView): MergedObject | undefined {
  const name = /^(.+)-\d+$/.exec(ref.name)?.[1];
  if (name === undefined) return undefined;
  const owner = view.object({ ...ref, kind: "CronJob", name });
  return owner?.exists === true && uid.startsWith(`${owner.uid}.`) ? owner : undefined;
}

/** `2/5`: of those wanted, in all sites in view where each site runs them. */
export function completionsOf(job: JsonObject): string {
  const wanted = Number(child(job, "spec")["completions"] ?? 1);
  const { succeeded = 0, sitesInView = 1 } = child(job, "status");
  return `${Number(succeeded)}/${wanted * Number(sitesInView)}`;
}

/** `0-2,5`, as Kubernetes writes completed indexes. */
function ranges(sorted: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < sorted.length;) {
    let end = at;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    parts.push(end === at ? String(sorted[at]) : `${sorted[at]}-${sorted[end]}`);
    at = end + 1;
  }
  return parts.join(",");
}
