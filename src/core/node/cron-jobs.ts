import type { MergedObject } from "../intents/contract.ts";
import { latestRun, nextRun, parseCron } from "../intents/cron.ts";
import { kindOf } from "../intents/kinds/index.ts";
import { withDefaults } from "../intents/validate.ts";
import { seconds, type WallTime } from "../kernel/time.ts";
import { objectKey, type ObjectRef } from "../records/keys.ts";
import { isJob, type JobStanding } from "./job-standing.ts";
import { jobStanding } from "./jobs.ts";
import { progressByJob } from "./job-progress.ts";
import { numberAt, objectAt, stringsAt, textAt } from "./json-at.ts";
import type { Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * The jobs of a CronJob: nobody writes them, every node derives the same ones from the CronJob, the time and
 * what ran already. They are named after the minute they are due, so two islands mean the same job.
 */

const minuteMs = 60_000;

export type CronRuns = { readonly jobs: readonly MergedObject[]; readonly changesAt: WallTime };

type Run = { readonly due: WallTime; readonly job: MergedObject; readonly standing: JobStanding };

export function cronRuns(
  state: NodeState,
  cronJob: MergedObject,
  started: ReadonlySet<number>,
  wall: WallTime,
): CronRuns {
  const kind = kindOf("batch", "CronJob");
  const spec = objectAt(kind === undefined ? cronJob.value : withDefaults(kind, cronJob.value), "spec");
  const cron = parseCron(textAt(spec, "schedule") ?? "");
  if (!cron.ok) return { jobs: [], changesAt: Number.POSITIVE_INFINITY };
  const since = cronJob.createdAt + 1;
  const latest = latestRun(cron.value, wall, since);
  const before = latest === undefined ? undefined : latestRun(cron.value, latest - 1, since);
  const ran = [...started]
    .map((minute) => minute * minuteMs)
    .sort((left, right) => right - left)
    .map((due): Run => {
      const job = jobOf(cronJob, due);
      return { due, job, standing: jobStanding(state, job, wall) };
    });
  const policy = textAt(spec, "concurrencyPolicy");
  const active = ran.filter(({ standing }) => standing.ended === undefined);
  const deadline =
    latest === undefined ? 0 : latest + seconds(numberAt(spec, "startingDeadlineSeconds", Infinity));
  const starts =
    latest !== undefined &&
    !started.has(latest / minuteMs) &&
    spec["suspend"] !== true &&
    wall <= deadline &&
    !(policy === "Forbid" && active.length > 0);
  const newest = starts ? latest : active[0]?.due;
  const goOn = policy === "Replace" ? active.filter(({ due }) => due === newest) : active;
  const kept = [
    ...endedAs(ran, "Complete").slice(0, numberAt(spec, "successfulJobsHistoryLimit", 3)),
    ...endedAs(ran, "Failed").slice(0, numberAt(spec, "failedJobsHistoryLimit", 1)),
    // A node whose clock is behind may still take one of these for the one that is due.
    ...ran.filter(({ due, standing }) => standing.ended !== undefined && (due === latest || due === before)),
  ];
  const jobs = new Set([...goOn, ...kept].map(({ job }) => job));
  if (starts && latest !== undefined) jobs.add(jobOf(cronJob, latest));
  const next = spec["suspend"] === true ? undefined : nextRun(cron.value, Math.max(wall, since));
  const changesAt = Math.min(
    next ?? Number.POSITIVE_INFINITY,
    starts ? deadline + 1 : Number.POSITIVE_INFINITY,
  );
  return { jobs: [...jobs], changesAt };
}

const endedAs = (runs: readonly Run[], as: "Complete" | "Failed"): readonly Run[] =>
  runs.filter(({ standing }) => standing.ended?.as === as && !standing.expired);

/** By the key of the CronJob that a name may belong to: the minutes of runs that left something. */
export function startedRuns(index: Index): ReadonlyMap<string, ReadonlySet<number>> {
  const minutes = new Map<string, Set<number>>();
  const add = (key: string, minute: number): void => {
    const known = minutes.get(key) ?? new Set<number>();
    minutes.set(key, known.add(minute));
  };
  for (const { pods } of index.factsByNode.values()) {
    for (const { body } of pods.values()) {
      if (!isJob(body.workload)) continue;
      const run = /^(.+)-(\d{1,11})$/.exec(body.workload.name);
      if (run === null) continue;
      add(objectKey({ ...body.workload, kind: "CronJob", name: run[1] ?? "" }), Number(run[2]));
    }
  }
  for (const uid of progressByJob(index).keys()) {
    const run = /^(.+)\.(\d{1,11})$/.exec(uid);
    if (run !== null) add(run[1] ?? "", Number(run[2]));
  }
  return minutes;
}

const jobsByCronJob = new WeakMap<MergedObject, Map<WallTime, MergedObject>>();
const jobsRemembered = 512;

/** The job of one run. */
function jobOf(cronJob: MergedObject, due: WallTime): MergedObject {
  const known = jobsByCronJob.get(cronJob) ?? new Map<WallTime, MergedObject>();
  jobsByCronJob.set(cronJob, known);
  const made = known.get(due) ?? makeJob(cronJob, due);
  if (known.size >= jobsRemembered) known.clear();
  known.set(due, made);
  return made;
}

function makeJob(cronJob: MergedObject, due: WallTime): MergedObject {
  const { namespace, name } = cronJob.ref;
  const minute = due / minuteMs;
  const template = objectAt(objectAt(cronJob.value, "spec"), "jobTemplate");
  const metadata = objectAt(template, "metadata");
  // How the runs are placed is said on either.
  const placing = Object.entries(stringsAt(objectAt(cronJob.value, "metadata"), "annotations")).filter(
    ([key]) => key.startsWith("starlight.dev/"),
  );
  const annotations = { ...Object.fromEntries(placing), ...stringsAt(metadata, "annotations") };
  const ref: ObjectRef = { group: "batch", kind: "Job", namespace, name: `${name}-${minute}` };
  return {
    ...cronJob,
    ref,
    uid: `${cronJob.uid}.${minute}`,
    createdAt: due,
    value: {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { ...metadata, annotations, name: ref.name, namespace },
      spec: objectAt(template, "spec"),
    },
    managedFields: [],
    conflicts: [],
  };
}
