import { below, between, pick, type Random } from "../core/kernel/random.ts";
import { isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import type { WriteReply } from "../core/node/contract.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import type { Machine } from "./machine.ts";
import { failsLabel, workLabel, type Fails } from "./sim-pod.ts";
import type { World } from "./world.ts";

/**
 * People who have work done: jobs, each written once under a name of its own, sometimes deleted; and three
 * timers, one for each policy, which are made, paused, edited and deleted.
 */

export type WrittenJob = {
  readonly name: string;
  readonly by: string;
  readonly at: number;
  readonly completions: number;
  readonly backoffLimit: number;
  readonly ttlSeconds: number | undefined;
  readonly fails: Fails;
  /** Written when all was calm: nothing excuses a second run. */
  readonly inCalm: boolean;
  /** The version of the write, once it was acknowledged. */
  acknowledged: number | undefined;
  deleted: boolean;
};

/** Which policy the runs of a timer follow, and how long each works: longer than a minute where that matters. */
export const timers = {
  tick: { concurrencyPolicy: "Allow", worksMs: 15_000 },
  tock: { concurrencyPolicy: "Forbid", worksMs: 65_000 },
  reset: { concurrencyPolicy: "Replace", worksMs: 75_000 },
} as const;
const timerNames = ["tick", "tock", "reset"] as const;
export type TimerName = (typeof timerNames)[number];
const isTimer = (name: string): name is TimerName => timerNames.some((known) => known === name);

export const jobRef = (name: string): ObjectRef => ({
  group: "batch",
  kind: "Job",
  namespace: "default",
  name,
});
export const timerRef = (name: TimerName): ObjectRef => ({ ...jobRef(name), kind: "CronJob" });

/** The timer and the minute that a job is named after; undefined for a job that somebody wrote. */
export function runOf(job: string): { readonly timer: TimerName; readonly minute: number } | undefined {
  const [, timer = "", minute] = /^([a-z]+)-(\d{6,})$/.exec(job) ?? [];
  return isTimer(timer) ? { timer, minute: Number(minute) } : undefined;
}

/** Away from the numbers of other requests. */
const firstRequest = 1_000_000;

export class JobUsers {
  readonly jobs = new Map<string, WrittenJob>();
  readonly #world: World;
  readonly #random: Random;
  readonly #waiting = new Map<string, WrittenJob>();
  #requests = firstRequest;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random("job users");
    world.observers.push({ answered: (machine, request, reply) => this.#answered(machine, request, reply) });
  }

  /** Plans what is asked for within `[from, until)`. */
  plan(from: number, until: number): void {
    const random = this.#random;
    for (const name of timerNames)
      this.#world.at(between(random, from, from + 20_000), () => this.#timer(name));
    for (let at = from; at < until; at += between(random, 2_000, 24_000))
      this.#world.at(at, () => this.#act());
  }

  /** When all is calm: one job of many indexes, and one that fails for good. */
  planCalm(at: number): void {
    this.#world.at(at, () => {
      this.#job(true, { completions: 3, fails: "never", worksMs: 2_000 });
      this.#job(true, { completions: 1, fails: "always", worksMs: 500 });
    });
  }

  /** Timers go on for ever: what they leave behind would never be forgotten. */
  pauseTimers(): void {
    for (const name of timerNames) {
      const machine = this.#somebody();
      const timer = machine?.node?.view.object(timerRef(name));
      if (machine === undefined || timer?.exists !== true || !isObject(timer.value["spec"])) continue;
      const value = { ...timer.value, spec: { ...timer.value["spec"], suspend: true } };
      this.#write(machine, timerRef(name), value, undefined);
    }
  }

  #act(): void {
    const dice = this.#random();
    const name = pick(this.#random, timerNames);
    if (dice < 0.25 && name !== undefined) return this.#timer(name);
    if (dice < 0.32) return this.#deleteJob();
    const fails = this.#random();
    this.#job(false, {
      completions: 1 + below(this.#random, 3),
      fails: fails < 0.7 ? "never" : fails < 0.85 ? "first" : "always",
      worksMs: Math.round(between(this.#random, 200, 12_000)),
    });
  }

  #job(
    inCalm: boolean,
    asked: { readonly completions: number; readonly fails: Fails; readonly worksMs: number },
  ): void {
    const machine = this.#somebody();
    if (machine === undefined) return;
    const random = this.#random;
    const { fails } = asked;
    const completions = fails === "first" ? Math.min(2, asked.completions) : asked.completions;
    const job: WrittenJob = {
      name: `work${this.jobs.size + 1}`,
      by: machine.name,
      at: this.#world.now,
      completions,
      backoffLimit: fails === "always" ? below(random, 2) : 6,
      ttlSeconds: random() < 0.4 ? 3 + below(random, 10) : undefined,
      fails,
      inCalm,
      acknowledged: undefined,
      deleted: false,
    };
    this.jobs.set(job.name, job);
    const value = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: job.name, namespace: "default", annotations: this.#placing() },
      spec: {
        completions,
        parallelism: 1 + below(random, completions),
        backoffLimit: job.backoffLimit,
        ...(job.ttlSeconds === undefined ? {} : { ttlSecondsAfterFinished: job.ttlSeconds }),
        template: template(fails, asked.worksMs, random() < 0.5 ? "Never" : "OnFailure"),
      },
    };
    this.#write(machine, jobRef(job.name), value, job);
  }

  /** Makes it; what is there is edited, paused, taken up again or deleted. */
  #timer(name: TimerName): void {
    const machine = this.#somebody();
    if (machine === undefined) return;
    const dice = this.#random();
    const exists = machine.node?.view.object(timerRef(name))?.exists === true;
    if (exists && dice < 0.15) return this.#delete(machine, timerRef(name));
    const { concurrencyPolicy, worksMs } = timers[name];
    const value = {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name, namespace: "default", annotations: this.#placing() },
      spec: {
        schedule: "* * * * *",
        concurrencyPolicy,
        ...(exists && dice < 0.35 ? { suspend: true } : {}),
        successfulJobsHistoryLimit: 1 + below(this.#random, 3),
        jobTemplate: { spec: { template: template("never", worksMs, "Never") } },
      },
    };
    this.#write(machine, timerRef(name), value, undefined);
  }

  #deleteJob(): void {
    const job = pick(this.#random, [...this.jobs.values()]);
    const machine = this.#somebody();
    if (job === undefined || machine === undefined) return;
    if (machine.node?.view.object(jobRef(job.name))?.exists !== true) return;
    job.deleted = true;
    this.#delete(machine, jobRef(job.name));
  }

  /** Where nobody knows what other sites did, each site does the work of its own. */
  #placing(): { readonly [annotation: string]: string } {
    const allKnown = this.#world.machines[0]?.identity.mesh.detail === "mesh";
    return allKnown ? {} : { "starlight.dev/placement": "perSite" };
  }

  #somebody(): Machine | undefined {
    return pick(
      this.#random,
      this.#world.machines.filter(({ state }) => state === "up"),
    );
  }

  #write(machine: Machine, ref: ObjectRef, value: JsonObject, job: WrittenJob | undefined): void {
    const request = ++this.#requests;
    if (job !== undefined) this.#waiting.set(`${machine.name} ${machine.processes} ${request}`, job);
    this.#world.trace.add(this.#world.now, machine.name, `user: writes ${ref.kind} ${ref.name}`);
    const change = { type: "update", ref, value, manager: "kubectl", class: "user", mode: "upsert" } as const;
    machine.write(request, change);
  }

  #delete(machine: Machine, ref: ObjectRef): void {
    const request = ++this.#requests;
    this.#world.trace.add(this.#world.now, machine.name, `user: deletes ${ref.kind} ${ref.name}`);
    const change = { type: "delete", ref, manager: "kubectl", class: "user" } as const;
    machine.write(request, change);
  }

  #answered(machine: Machine, request: number, reply: WriteReply): void {
    const key = `${machine.name} ${machine.processes} ${request}`;
    const job = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (job !== undefined && reply.ok) job.acknowledged = reply.value.objects[0]?.version ?? 0;
    if (!reply.ok && request > firstRequest) {
      const { error } = reply;
      this.#world.trace.add(this.#world.now, machine.name, `refused: ${JSON.stringify(error)}`);
      if (error.type !== "storage" && error.type !== "not-a-member")
        this.#world.violated(`15: ${machine.name} refuses a job: ${JSON.stringify(error)}`);
    }
  }
}

const template = (fails: Fails, worksMs: number, restartPolicy: string): Json => ({
  metadata: { labels: { [workLabel]: String(worksMs), [failsLabel]: fails } },
  spec: {
    runtimeClassName: "process",
    restartPolicy,
    containers: [{ name: "main", image: "sim", command: ["run"] }],
  },
});
