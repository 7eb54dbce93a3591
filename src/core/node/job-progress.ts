import type { JobBody } from "../records/bodies.ts";
import type { BaseProgress, JobProgress } from "./job-standing.ts";
import type { Index } from "./records-index.ts";

export const nothingDone: BaseProgress = { done: new Set(), failures: 0, at: 0, failedAt: 0 };

/** By uid of the job; the same object until a fact changes. */
export function progressByJob(index: Index): ReadonlyMap<string, JobProgress> {
  index.progress ??= addedUp(index);
  return index.progress;
}

function addedUp(index: Index): ReadonlyMap<string, JobProgress> {
  const progress = new Map<string, { readonly bases: Map<string, BaseProgress> }>();
  for (const { jobs } of index.factsByNode.values()) {
    for (const [uid, { body }] of jobs) {
      const job = progress.get(uid) ?? { bases: new Map<string, BaseProgress>() };
      progress.set(uid, job);
      job.bases.set(body.base, sum(job.bases.get(body.base) ?? nothingDone, body));
    }
  }
  return progress;
}

const sum = (
  left: BaseProgress,
  { done, failures, at, failedAt = failures > 0 ? at : 0 }: JobBody,
): BaseProgress => ({
  done: new Set([...left.done, ...done]),
  failures: left.failures + failures,
  at: Math.max(left.at, at),
  failedAt: Math.max(left.failedAt, failedAt),
});
