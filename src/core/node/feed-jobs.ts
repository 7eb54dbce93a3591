import type { MergedObject } from "../intents/contract.ts";
import { intentKey, objectKey, type ObjectRef } from "../records/keys.ts";
import type { Duration, Instant, WallTime } from "../kernel/time.ts";
import type { Moment, PlacementPlan, Workload } from "../placement/contract.ts";
import { cronRuns, startedRuns } from "./cron-jobs.ts";
import { isJob } from "./job-standing.ts";
import { jobStanding } from "./jobs.ts";
import { publishIntentGone, publishJob } from "./own-records.ts";
import { detailOf } from "./levels.ts";
import { entriesOf, factsOf, kindKey } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { changed, type Turn } from "./turn.ts";
import { isHeld } from "./voided.ts";
import { placedOf } from "./workloads.ts";

/**
 * Nodes hear of a pod's end one after the other, and rank themselves by what they have heard: a slot that is
 * left for a moment is not claimed by two, whose programs would both have begun.
 */
const hearFirst: Duration = 150;

/** Jobs change with time and with facts, so each is looked at every time; without any this is nothing. */
export function feedJobs(state: NodeState, { wall }: Moment): void {
  const { jobs, workloads, planner } = state;
  const found = jobsIn(state, wall);
  for (const [key, { object }] of jobs.byKey) {
    if (found.has(key)) continue;
    jobs.byKey.delete(key);
    jobs.touched.set(key, object.ref);
    if (workloads.delete(key)) planner.handle({ type: "workload-gone", ref: object.ref });
  }
  for (const [key, object] of found) {
    const standing = jobStanding(state, object, wall);
    jobs.changesAt = Math.min(jobs.changesAt, standing.changesAt);
    const placed = placedOf(object, state.index, state.config);
    if (!standing.expired && placed === undefined && isHeld(state, object.ref)) continue;
    const spread = placed?.workload.spread;
    if (standing.expired || placed === undefined || spread === undefined || spread.type === "per-node") {
      found.delete(key);
      jobs.byKey.delete(key);
      if (workloads.delete(key)) planner.handle({ type: "workload-gone", ref: object.ref });
      continue;
    }
    const workload: Workload = { ...placed.workload, spread: { ...spread, until: standing.until } };
    const told = `${object.version} ${workload.priority} ${JSON.stringify(standing.until)}`;
    const known = jobs.byKey.get(key);
    jobs.byKey.set(key, { object, standing, told });
    if (known?.told === told && known.object === object) continue;
    jobs.touched.set(key, object.ref);
    workloads.set(key, { ...placed, workload });
    planner.handle({ type: "workload", workload });
    state.shares.delete(key);
  }
}

/** A job as placement would be told of it, also one that nobody has written yet. */
export function jobPlaced(state: NodeState, object: MergedObject, wall: WallTime): Workload | undefined {
  const workload = placedOf(object, state.index, state.config)?.workload;
  if (workload === undefined || workload.spread.type === "per-node") return undefined;
  return { ...workload, spread: { ...workload.spread, until: jobStanding(state, object, wall).until } };
}

export function jobsChangeAt({ jobs }: NodeState, { now, wall }: Moment): Instant {
  if (jobs.changesAt === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  return now + Math.min(86_400_000, Math.max(1, jobs.changesAt - wall));
}

/** When a slot of a job is this node's to claim, `after` others and after its failures. */
export function jobMayStartAt(
  { jobs }: NodeState,
  key: string,
  { slot, after }: PlacementPlan["starts"][number],
  { now, wall }: Moment,
): Instant {
  const place = `${key} ${slot}`;
  const known = jobs.open.get(place);
  const since = known?.since ?? now;
  // Whoever becomes the first in line only by what it has heard meanwhile hears a moment longer.
  const rankedSince = known === undefined || after < known.after ? now : known.rankedSince;
  const base = slot.slice(0, slot.lastIndexOf("/"));
  const failed = jobs.byKey.get(key)?.standing.bases.find((of) => of.base === base);
  // The time of the failure is by the clock of the node where it happened: never longer than from when we knew.
  const retryIn = Math.max(0, (failed?.notBefore ?? 0) - wall);
  const retryAt =
    retryIn === 0 ? (known?.retryAt ?? since) : Math.min(now + retryIn, since + (failed?.retryAfter ?? 0));
  jobs.open.set(place, { since, after, rankedSince, retryAt });
  return Math.max(since + hearFirst + after, rankedSince + hearFirst, retryAt);
}

/** Forgets since when slots were open that are so no longer. */
export function forgetFilled({ jobs }: NodeState, starts: PlacementPlan["starts"]): void {
  if (jobs.open.size === 0) return;
  const wanted = new Set(starts.map(({ workload, slot }) => `${objectKey(workload)} ${slot}`));
  for (const place of jobs.open.keys()) if (!wanted.has(place)) jobs.open.delete(place);
}

/** Tells the API of jobs that came and went, and takes back what is no longer of use to anybody. */
export function tendJobs(turn: Turn): void {
  const { state, env } = turn;
  const { jobs, index, identity } = state;
  for (const ref of jobs.touched.values()) changed(turn, { type: "object", ref });
  jobs.touched.clear();
  const own = factsOf(index, identity.id)?.jobs;
  // By a clock that is behind, a job that has gone by itself is still there: what is done of it must stay known.
  const uids = new Set(writtenJobs(state).map(({ uid }) => uid));
  for (const { object } of jobs.byKey.values()) uids.add(object.uid);
  for (const uid of jobs.remembered) uids.add(uid);
  for (const uid of [...(own?.keys() ?? [])].sort()) if (!uids.has(uid)) publishJob(turn, uid, undefined);
  // Whoever wrote a job that has gone by itself takes its own part of it away, if it can tell that all sites are done.
  const seesAll = detailOf(state) === "mesh";
  for (const object of writtenJobs(state)) {
    if (jobs.byKey.has(objectKey(object.ref))) continue;
    const { expired, bases } = jobStanding(state, object, env.wall);
    if (!expired || !(seesAll || bases.every(({ base }) => base === "mesh"))) continue;
    for (const { author, manager } of entriesOf(index, object.ref))
      if (author === identity.id) publishIntentGone(turn, intentKey(object.ref, manager));
  }
}

/** Every job that is there, those of CronJobs included; what was written a moment ago, too. */
export function allJobs(state: NodeState, wall: WallTime): readonly MergedObject[] {
  const { jobs, index } = state;
  const found = new Map<string, MergedObject>();
  for (const [key, { object }] of jobs.byKey) if (!index.objectByKey.has(key)) found.set(key, object);
  for (const object of writtenJobs(state))
    if (!jobStanding(state, object, wall).expired) found.set(objectKey(object.ref), object);
  return [...found].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, object]) => object);
}

export const jobAt = ({ jobs }: NodeState, ref: ObjectRef): MergedObject | undefined =>
  isJob(ref) ? jobs.byKey.get(objectKey(ref))?.object : undefined;

function jobsIn(state: NodeState, wall: WallTime): Map<string, MergedObject> {
  const { index, jobs } = state;
  const found = new Map<string, MergedObject>();
  jobs.changesAt = Number.POSITIVE_INFINITY;
  const remembered = new Set<string>();
  jobs.remembered = remembered;
  const cronJobs = objectsOf(state, "CronJob");
  if (cronJobs.length > 0) {
    const started = startedRuns(index);
    const none: ReadonlySet<number> = new Set();
    for (const cronJob of cronJobs) {
      const runs = cronRuns(state, cronJob, started.get(cronJob.uid) ?? none, wall);
      jobs.changesAt = Math.min(jobs.changesAt, runs.changesAt);
      for (const job of runs.jobs) found.set(objectKey(job.ref), job);
      for (const uid of runs.remembered) remembered.add(uid);
    }
  }
  for (const object of writtenJobs(state)) found.set(objectKey(object.ref), object);
  return found;
}

const writtenJobs = (state: NodeState): readonly MergedObject[] => objectsOf(state, "Job");

function objectsOf({ index }: NodeState, kind: string): readonly MergedObject[] {
  return [...(index.keysByKind.get(kindKey("batch", kind)) ?? [])].sort().flatMap((key) => {
    const object = index.objectByKey.get(key);
    return object?.exists === true ? [object] : [];
  });
}
