import type { MergedObject } from "../intents/contract.ts";
import { latestRun, nextRun, parseCron, type Cron } from "../intents/cron.ts";
import type { JsonObject } from "../kernel/json.ts";
import { seconds, type WallTime } from "../kernel/time.ts";
import type { ObjectRef } from "../records/keys.ts";
import { isJob, type JobProgress, type JobStanding } from "./job-standing.ts";
import { jobStanding, specOf } from "./jobs.ts";
import { progressByJob } from "./job-progress.ts";
import { numberAt, objectAt, stringsAt, textAt } from "./json-at.ts";
import type { Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * The jobs of a CronJob: nobody writes them, every node derives the same ones from the CronJob, the time and
 * what ran already. They are named after the minute they are due, so two islands mean the same job.
 */

const minuteMs = 60_000;

export type CronRuns = {
  readonly jobs: readonly MergedObject[];
  /** Of runs that began, the uids that a node whose clock is behind by `driftMax` could still take for due. */
  readonly remembered: readonly string[];
  readonly changesAt: WallTime;
};

type Run = { readonly due: WallTime; readonly job: MergedObject; readonly standing: JobStanding };

export function cronRuns(
  state: NodeState,
  cronJob: MergedObject,
  started: ReadonlySet<number>,
  wall: WallTime,
): CronRuns {
  const { spec, cron } = readCronJob(cronJob);
  if (cron === undefined) return { jobs: [], remembered: [], changesAt: Number.POSITIVE_INFINITY };
  const since = cronJob.createdAt + 1;
  const { latest, before, next: due } = dueTimes(cronJob, cron, since, wall);
  const ran = [...started]
    .map((minute) => minute * minuteMs)
    .sort((left, right) => right - left)
    .map((due): Run => {
      const job = jobOf(cronJob, due);
      return { due, job, standing: jobStanding(state, job, wall) };
    });
  const early = wall - state.config.driftMax;
  const behind = ran.length === 0 || early < since ? 0 : (latestRun(cron, early, since) ?? 0);
  const policy = textAt(spec, "concurrencyPolicy");
  // What nodes said of a run that is long past goes piece by piece: without a pod it is over.
  const active = ran.filter(
    ({ due, job, standing }) => standing.ended === undefined && (due >= behind || hasPod(state.index, job)),
  );
  const deadline =
    latest === undefined ? 0 : latest + seconds(numberAt(spec, "startingDeadlineSeconds", Infinity));
  const starts =
    latest !== undefined &&
    !started.has(latest / minuteMs) &&
    spec["suspend"] !== true &&
    wall <= deadline &&
    !(policy === "Forbid" && active.length > 0) &&
    // Begun already, by a clock that is ahead: what is due here was replaced before it began.
    !(policy === "Replace" && ran.some(({ due }) => due > latest));
  const newest = starts ? latest : ran[0]?.due;
  // Two nodes whose clocks disagree may begin two runs at once: the later one waits for the other.
  const oldest = Math.min(...active.map(({ due }) => due));
  const only = policy === "Replace" ? newest : policy === "Forbid" ? oldest : undefined;
  const goOn = only === undefined ? active : active.filter(({ due }) => due === only);
  const kept = [
    ...endedAs(ran, "Complete").slice(0, numberAt(spec, "successfulJobsHistoryLimit", 3)),
    ...endedAs(ran, "Failed").slice(0, numberAt(spec, "failedJobsHistoryLimit", 1)),
    // A node whose clock is behind may still take one of these for the one that is due.
    ...ran.filter(({ due, standing }) => standing.ended !== undefined && (due === latest || due === before)),
  ];
  const jobs = new Set([...goOn, ...kept].map(({ job }) => job));
  if (starts && latest !== undefined) jobs.add(jobOf(cronJob, latest));
  const next = spec["suspend"] === true ? undefined : due;
  const changesAt = Math.min(
    next ?? Number.POSITIVE_INFINITY,
    starts ? deadline + 1 : Number.POSITIVE_INFINITY,
  );
  const remembered = ran.filter((run) => run.due >= behind).map(({ job }) => job.uid);
  return { jobs: [...jobs], remembered, changesAt };
}

function hasPod(index: Index, { ref }: MergedObject): boolean {
  for (const { pods } of index.factsByNode.values())
    for (const { body } of pods.values())
      if (
        body.workload.name === ref.name &&
        body.workload.namespace === ref.namespace &&
        isJob(body.workload)
      )
        return body.phase === "Pending" || body.phase === "Running";
  return false;
}

const endedAs = (runs: readonly Run[], as: "Complete" | "Failed"): readonly Run[] =>
  runs.filter(({ standing }) => standing.ended?.as === as && !standing.expired);

type Read = { readonly spec: JsonObject; readonly cron: Cron | undefined };
const readByCronJob = new WeakMap<MergedObject, Read>();

/** Without a schedule that can be read nothing is due. */
function readCronJob(cronJob: MergedObject): Read {
  const known = readByCronJob.get(cronJob);
  if (known !== undefined) return known;
  const spec = specOf(cronJob);
  const cron = parseCron(textAt(spec, "schedule") ?? "");
  const read = { spec, cron: cron.ok ? cron.value : undefined };
  readByCronJob.set(cronJob, read);
  return read;
}

type Due = {
  readonly from: WallTime;
  readonly latest: WallTime | undefined;
  readonly before: WallTime | undefined;
  readonly next: WallTime | undefined;
};
const dueByCronJob = new WeakMap<MergedObject, Due>();

/** The latest due time, the one before it and the next one: the same until the next one. */
function dueTimes(cronJob: MergedObject, cron: Cron, since: WallTime, wall: WallTime): Due {
  const known = dueByCronJob.get(cronJob);
  if (known !== undefined && known.from <= wall && wall < (known.next ?? Number.POSITIVE_INFINITY))
    return known;
  const latest = latestRun(cron, wall, since);
  const before = latest === undefined ? undefined : latestRun(cron, latest - 1, since);
  const next = nextRun(cron, Math.max(wall, since));
  const due = { from: latest ?? wall, latest, before, next };
  dueByCronJob.set(cronJob, due);
  return due;
}

const startedByProgress = new WeakMap<ReadonlyMap<string, JobProgress>, Map<string, Set<number>>>();

/** By the uid of the CronJob: the minutes of runs that began, as the nodes say that claimed a part of them. */
export function startedRuns(index: Index): ReadonlyMap<string, ReadonlySet<number>> {
  const progress = progressByJob(index);
  const known = startedByProgress.get(progress);
  if (known !== undefined) return known;
  const minutes = new Map<string, Set<number>>();
  for (const uid of progress.keys()) {
    const run = /^(.+)\.(\d{1,11})$/.exec(uid);
    if (run === null) continue;
    const [, of = "", minute] = run;
    minutes.set(of, (minutes.get(of) ?? new Set<number>()).add(Number(minute)));
  }
  startedByProgress.set(progress, minutes);
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
