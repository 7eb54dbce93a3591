import type { JobStanding } from "../core/node/job-standing.ts";
import type { NodeView } from "../core/node/contract.ts";
import {
  jobRef,
  runOf,
  timerRef,
  timers,
  type JobUsers,
  type TimerName,
  type WrittenJob,
} from "./job-users.ts";
import type { Machine } from "./machine.ts";
import type { Ends } from "./roster-checks.ts";
import { jobOf, type SimPod } from "./sim-pod.ts";
import { detailScope } from "../core/records/scope.ts";
import { hearsLate } from "./budgets.ts";
import type { World } from "./world.ts";

/**
 * 15. Every job ends as it must, its work is done, in calm weather once, and what has ended starts nothing again.
 * 16. A timer has one run a minute, by name, and in calm weather they follow its policy.
 */

/** One try of one index. */
type Try = {
  readonly uid: string;
  readonly machine: Machine;
  readonly pod: SimPod;
  readonly startedAt: number;
  readonly inCalm: boolean;
  endedAt: number | undefined;
};

const minute = 60_000;
/** Facts of an end are everywhere by then, when no link is paid for. */
const noticeMax = 3_000;
/** Of two runs of which one is to end the other. */
const overlapMax = 4_000;
/** What may pass between the end of a job and that of its pods, or between a due time and its run. */
const lateMax = 8_000;

export class JobChecks {
  readonly #world: World;
  readonly #users: JobUsers;
  readonly #tries = new Map<string, Try[]>();
  readonly #tryByUid = new Map<string, Try>();
  /** By job: when it ended, as nodes say; what comes to light after a cut may have ended later. */
  readonly #endedAt = new Map<string, { readonly first: number; readonly last: number }>();
  #calmSince = Number.POSITIVE_INFINITY;

  constructor(world: World, users: JobUsers) {
    this.#world = world;
    this.#users = users;
    world.observers.push({
      podStarted: (machine, pod) => this.#started(machine, pod),
      podEnded: (_machine, pod) => this.#ended(pod),
      podStopping: (machine, pod, reason) => this.#stopping(machine, pod, reason),
    });
  }

  /** From now on nothing excuses a second run. */
  calm(): void {
    this.#calmSince = this.#world.now;
  }

  #started(machine: Machine, pod: SimPod): void {
    const { now } = this.#world;
    const key = this.#keyOf(machine, pod);
    if (key === undefined) return;
    const tries = this.#tries.get(key) ?? [];
    this.#tries.set(key, tries);
    const inCalm = now >= this.#calmSince && this.#world.machines.includes(machine);
    if (inCalm)
      for (const before of tries) {
        if (hearsLate(machine, before.machine) || !this.#world.machines.includes(before.machine)) continue;
        const isOn = before.endedAt === undefined && before.machine.pods.get(before.uid) === before.pod;
        if (isOn && !before.pod.stopping && before.startedAt < now - noticeMax)
          this.#world.violated(`15: ${machine.name} starts ${key}, which runs on ${before.machine.name}`);
        else if (this.#isDone(before) && (before.endedAt ?? now) < now - noticeMax)
          this.#world.violated(`15: ${machine.name} starts ${key}, which ${before.machine.name} has done`);
      }
    const one = { uid: pod.start.uid, machine, pod, startedAt: now, inCalm, endedAt: undefined };
    tries.push(one);
    this.#tryByUid.set(one.uid, one);
  }

  /** Its success is said: a machine that lost its power at once may have forgotten it. */
  #isDone({ machine, pod }: Try): boolean {
    const job = jobOf(pod.start);
    const view = machine.node?.view;
    const object = job === undefined ? undefined : view?.object(jobRef(job.name));
    if (pod.phase !== "Succeeded" || view === undefined || object === undefined) return false;
    return view.job(object).bases.some(({ done }) => done.includes(job?.index ?? -1));
  }

  #ended(pod: SimPod): void {
    const one = this.#tryByUid.get(pod.start.uid);
    if (one === undefined) return;
    one.endedAt = this.#world.now;
    const key = this.#keyOf(one.machine, pod) ?? "";
    const written = this.#users.jobs.get(jobOf(pod.start)?.name ?? "");
    if (pod.phase !== "Succeeded" || written?.inCalm !== true) return;
    const done = (this.#tries.get(key) ?? []).filter((each) => each.pod.phase === "Succeeded");
    if (done.length < 2 || done.some(({ machine }) => hearsLate(machine, one.machine))) return;
    this.#world.violated(
      `15: ${key} is done twice, by ${done.map(({ machine }) => machine.name).join(", ")}`,
    );
  }

  /** A run is ended before its end only for a reason that holds. */
  #stopping(machine: Machine, pod: SimPod, reason: string): void {
    const job = jobOf(pod.start);
    const view = machine.node?.view;
    const one = this.#tryByUid.get(pod.start.uid);
    if (job === undefined || pod.phase !== "Running" || view === undefined || one === undefined) return;
    one.endedAt = this.#world.now;
    if (!this.#world.machines.includes(machine)) return;
    const object = view.object(jobRef(job.name));
    const standing = object?.exists === true ? view.job(object) : undefined;
    const isWanted =
      standing !== undefined &&
      standing.ended === undefined &&
      !standing.bases.some(
        ({ base, done, outcome }) =>
          this.#isBaseOf(base, machine) && (outcome !== undefined || done.includes(job.index)),
      );
    const [word] = reason.split(":");
    const known = ["surplus", "evicted", "stopping", "unknown pod", "deleted", "scaled-down"];
    if (!known.includes(word ?? ""))
      this.#world.violated(`15: ${machine.name} ends ${pod.start.name} (${reason})`);
    if (isWanted && (word === "deleted" || word === "scaled-down"))
      this.#world.violated(`15: ${machine.name} ends ${pod.start.name}, whose work is wanted (${reason})`);
  }

  /** What may be so for a moment, in calm weather, and for how long. */
  wrong(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    const { machines } = this.#world;
    const running = new Map<string, { readonly timer: TimerName; readonly onByRun: Map<string, string> }>();
    for (const machine of machines) {
      const view = machine.node?.view;
      if (view === undefined) continue;
      for (const object of view.objects("batch", "Job")) {
        const at = view.job(object).ended?.at;
        if (at === undefined) continue;
        const { first = at, last = at } = this.#endedAt.get(object.ref.name) ?? {};
        this.#endedAt.set(object.ref.name, { first: Math.min(first, at), last: Math.max(last, at) });
      }
      for (const pod of machine.pods.values()) {
        const job = jobOf(pod.start);
        if (job === undefined || pod.stopping) continue;
        const run = runOf(job.name);
        const ended = standingOf(view, job.name)?.ended !== undefined;
        if (pod.phase === "Running" && ended)
          found.set(`15: ${machine.name} runs ${pod.start.name}, whose job has ended`, lateMax);
        if (run === undefined || pod.phase !== "Running") continue;
        // What runs is known where detail is: so far a policy reaches.
        const within = `${run.timer} ${detailScope(machine.identity.mesh.detail, machine.identity)}`;
        const one = running.get(within) ?? { timer: run.timer, onByRun: new Map<string, string>() };
        running.set(within, one);
        one.onByRun.set(job.name, machine.name);
      }
    }
    for (const { timer, onByRun } of running.values()) {
      const { concurrencyPolicy } = timers[timer];
      if (onByRun.size < 2 || concurrencyPolicy === "Allow") continue;
      const all = [...onByRun].map(([job, on]) => `${job} on ${on}`).sort();
      found.set(`16: ${concurrencyPolicy} ${timer} has several runs: ${all.join(", ")}`, overlapMax);
    }
    return found;
  }

  /** Jobs that have not ended, and how far they are: what waits before it is tried again goes on at each look. */
  underWay(): ReadonlySet<string> {
    const found = new Set<string>();
    for (const { name: at, node } of this.#world.machines) {
      const wall = node?.view.clocks().wall ?? 0;
      for (const object of node?.view.objects("batch", "Job") ?? []) {
        const { bases, ended } = node?.view.job(object) ?? { bases: [], ended: undefined };
        if (ended !== undefined) continue;
        const how = bases.map(
          ({ base, done, failures, notBefore }) =>
            `${base} ${done.length} ${failures} ${Math.max(0, notBefore - wall)}`,
        );
        found.add(`${at} ${object.ref.name} ${how.join()}`);
      }
    }
    return found;
  }

  atEnd(ends: Ends): void {
    for (const machine of this.#world.machines) {
      const view = machine.node?.view;
      if (view === undefined) continue;
      for (const { ref, uid } of view.objects("batch", "Job")) {
        const written = this.#users.jobs.get(ref.name);
        const standing = standingOf(view, ref.name);
        if (written !== undefined && standing !== undefined) this.#endsRight(machine, written, standing);
        if (written === undefined) this.#oneRun(ref.name, uid);
      }
    }
    for (const job of this.#users.jobs.values()) this.#comesAndGoes(job, ends);
  }

  /** Complete with everything done, or failed too often, and all of that in truth. */
  #endsRight(machine: Machine, job: WrittenJob, { bases, ended }: JobStanding): void {
    const { name, completions, fails, backoffLimit } = job;
    const say = (what: string): void =>
      this.#world.violated(`15: at ${machine.name} the job ${name} ${what}`);
    if (ended === undefined) {
      const how = bases.map(({ base, done, failures }) => `${base} did ${done.join(" ")} failed ${failures}`);
      return say(`(${fails}, written at ${Math.round(job.at)}) has not ended: ${how.join("; ")}`);
    }
    if ((ended.as === "Complete") !== (fails !== "always"))
      return say(`is ${ended.as}, and its tries ${fails} fail`);
    for (const { base, done, failures } of bases) {
      const tries = Array.from(
        { length: completions },
        (_, index) => this.#tries.get(`${name}/${base}/${index}`) ?? [],
      );
      if (ended.as === "Complete") {
        if (done.length !== completions || new Set(done).size !== completions)
          say(`is Complete with ${done.join(" ")} done of ${completions}`);
        for (const [index, of] of tries.entries())
          if (!of.some(({ pod }) => pod.phase === "Succeeded"))
            say(`counts ${index} in ${base}, which nobody did`);
      } else {
        const failed = tries
          .flat()
          .reduce((sum, { pod }) => sum + pod.restarts + Number(pod.phase === "Failed"), 0);
        if (failed < failures || failures <= backoffLimit)
          say(`has Failed after ${failures} failures, in truth ${failed}, with a limit of ${backoffLimit}`);
      }
    }
  }

  /** A job stays until its time to live is over, and not longer. */
  #comesAndGoes(job: WrittenJob, ends: Ends): void {
    const { name, by, acknowledged, deleted, ttlSeconds } = job;
    const author = this.#world.everybody.find((machine) => machine.name === by);
    const isVoid = acknowledged !== undefined && ends.isVoid(author?.identity.id ?? "", acknowledged);
    const endedAt = this.#endedAt.get(name);
    // Its author takes it away by its own clock, and all are rid of it.
    const latest = Math.max(...this.#walls());
    const lives = 1_000 * (ttlSeconds ?? Number.POSITIVE_INFINITY);
    for (const { name: at, node, pods } of this.#world.machines) {
      if (node === undefined) continue;
      const isThere = node.view.objects("batch", "Job").some(({ ref }) => ref.name === name);
      const { wall } = node.view.clocks();
      // It may have gone before anybody looked.
      const mayGo =
        endedAt === undefined
          ? ttlSeconds !== undefined && this.#isOver(job)
          : latest > endedAt.first + lives;
      const isOver = endedAt !== undefined && wall > endedAt.last + lives + lateMax;
      if (!isThere && acknowledged !== undefined && !deleted && !isVoid && !mayGo)
        this.#world.violated(`15: at ${at} the job ${name} is gone before its time`);
      if (isThere && isOver) this.#world.violated(`15: at ${at} the job ${name} outlives its time`);
      const left = [...pods.values()].filter(({ start }) => jobOf(start)?.name === name);
      if (!isThere && left.length > 0 && (isOver || deleted))
        this.#world.violated(`15: ${at} keeps ${left.length} pods of the job ${name}, which is gone`);
    }
  }

  /** In truth: its work is done everywhere where it began and somebody is left, or has failed once too often. */
  #isOver({ name, completions, backoffLimit, fails }: WrittenJob): boolean {
    const own = [...this.#tries].filter(([key]) => key.startsWith(`${name}/`));
    const isLeft = (base: string): boolean =>
      this.#world.machines.some((machine) => this.#isBaseOf(base.slice(name.length + 1), machine));
    const bases = new Set(own.map(([key]) => baseOf(key)));
    const failures = own.flatMap(([, tries]) =>
      tries.map(({ pod }) => pod.restarts + Number(pod.phase === "Failed")),
    );
    if (fails === "always") return failures.reduce((sum, count) => sum + count, 0) > backoffLimit;
    const done = own.filter(([, tries]) => tries.some(({ pod }) => pod.phase === "Succeeded"));
    const isDone = (base: string): boolean =>
      done.filter(([key]) => baseOf(key) === base).length === completions;
    return bases.size > 0 && [...bases].every((base) => isDone(base) || !isLeft(base));
  }

  readonly #uidByRun = new Map<string, string>();
  #oneRun(name: string, uid: string): void {
    const known = this.#uidByRun.get(name) ?? uid;
    this.#uidByRun.set(name, known);
    if (known !== uid) this.#world.violated(`16: the run ${name} is two jobs, ${known} and ${uid}`);
  }

  /** In calm weather every minute of a timer that forbids nothing has a run, once all clocks have reached it. */
  everyRunStarted(): void {
    const walls = this.#walls();
    const [earliest, latest] = [Math.min(...walls), Math.max(...walls)];
    const calmFor = this.#world.now - this.#calmSince;
    const name: TimerName = "tick";
    for (const { node, name: at } of this.#world.machines) {
      const timer = node?.view.object(timerRef(name));
      const spec = timer?.value["spec"] as
        | { readonly suspend?: boolean; readonly schedule?: string }
        | undefined;
      if (timer?.exists !== true || spec?.schedule === undefined || spec.suspend === true) continue;
      // Within the calm by every clock.
      const from = Math.max(latest - calmFor, timer.createdAt) + 1;
      for (let due = Math.ceil(from / minute); due * minute < earliest - lateMax; due++) {
        const ran = [...this.#tries.keys()].some((key) => key.startsWith(`${name}-${due}/`));
        if (!ran) this.#world.violated(`16: ${at} has ${name}, and its run of minute ${due} never started`);
      }
      return;
    }
  }

  #walls(): readonly number[] {
    return this.#world.machines.flatMap(({ node }) => node?.view.clocks().wall ?? []);
  }

  #keyOf({ identity }: Machine, { start }: SimPod): string | undefined {
    const job = jobOf(start);
    if (job === undefined) return undefined;
    const base = identity.mesh.detail === "mesh" ? "mesh" : `site/${identity.site}`;
    return `${job.name}/${base}/${job.index}`;
  }

  #isBaseOf(base: string, { identity }: Machine): boolean {
    return base === "mesh" || base === `site/${identity.site}`;
  }
}

/** `job/base/index` without the index. */
const baseOf = (key: string): string => key.slice(0, key.lastIndexOf("/"));

function standingOf(view: NodeView, name: string): JobStanding | undefined {
  const object = view.object(jobRef(name));
  return object?.exists === true ? view.job(object) : undefined;
}
