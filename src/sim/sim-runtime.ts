import { between, type Random } from "../core/kernel/random.ts";
import type { PodStart } from "../core/node/contract.ts";
import type { Machine } from "./machine.ts";
import { isBroken, jobOf, newPod, reportOf, workOf, type SimPod } from "./sim-pod.ts";
import type { World } from "./world.ts";

/** As the real runtime waits before it starts a program again, only shorter: storms are. */
const restartFirst = 500;
const restartMax = 8_000;

/** The runtime of one machine: programs that start, work, crash and are ended, whether the agent lives or not. */
export class SimRuntime {
  readonly #world: World;
  readonly #machine: Machine;
  readonly #random: Random;
  /** Told to stop before they had started. */
  readonly #cancelled = new Set<string>();
  /** Until when the guard lets exclusive pods run. */
  readonly #deadlines = new Map<string, number>();
  /** Workloads whose programs end here as soon as they begin. */
  readonly #sick = new Set<string>();
  readonly #everSick = new Set<string>();

  constructor(world: World, machine: Machine, random: Random) {
    this.#world = world;
    this.#machine = machine;
    this.#random = random;
  }

  start(start: PodStart): void {
    const { pods } = this.#machine;
    this.#later(between(this.#random, 2, 40), () => {
      if (!this.#machine.power || pods.has(start.uid)) return;
      if (this.#cancelled.delete(start.uid)) return;
      const pod = newPod(start, this.#world.now);
      // The guard starts nothing that it would have to end.
      const deadline = this.#deadlines.get(start.uid) ?? start.fence?.until ?? Number.POSITIVE_INFINITY;
      if (deadline <= this.#world.now) return this.#machine.deliver({ type: "pod-gone", uid: start.uid });
      pods.set(start.uid, pod);
      this.#guard(start.uid, deadline);
      this.#world.podStarted(this.#machine, pod);
      this.#report(pod);
      if (!isBroken(start)) this.#begin(pod);
    });
  }

  arm(uid: string, until: number): void {
    if (this.#machine.pods.has(uid)) this.#guard(uid, until);
    else this.#deadlines.set(uid, until);
  }

  stop(uid: string, reason: string): void {
    const pod = this.#machine.pods.get(uid);
    if (pod === undefined) this.#cancelled.add(uid);
    else {
      this.#world.podStopping(this.#machine, pod, reason);
      pod.stopping = true;
    }
    this.#later(between(this.#random, 1, 60), () => {
      this.#machine.pods.delete(uid);
      this.#machine.deliver({ type: "pod-gone", uid });
    });
  }

  /** From now on the workload's programs end on this machine, those that run included. */
  sicken(workload: string): void {
    this.#sick.add(workload);
    this.#everSick.add(workload);
    for (const pod of this.#machine.pods.values()) if (this.#isSick(pod) && !pod.waiting) this.#crash(pod);
  }

  /** Whether its node may have struck the workload off. */
  wasSick(workload: string): boolean {
    return this.#everSick.has(workload);
  }

  cure(workload: string): void {
    this.#sick.delete(workload);
  }

  cureAll(): void {
    this.#sick.clear();
  }

  #begin(pod: SimPod): void {
    this.#whileItRuns(pod, between(this.#random, 5, 200), () => {
      if (this.#isSick(pod)) return this.#crash(pod);
      pod.ready = true;
      this.#report(pod);
      const work = workOf(pod.start);
      if (work !== undefined) this.#whileItRuns(pod, work.lasts, () => this.#end(pod, work.fails));
    });
  }

  #end(pod: SimPod, fails: "never" | "first" | "always"): void {
    const { name, index } = jobOf(pod.start) ?? { name: "", index: 0 };
    const isFirst = this.#world.tries(`${name}/${index}`) === 1;
    const failed = fails === "always" || (fails === "first" && isFirst);
    if (failed && pod.start.spec["restartPolicy"] !== "Never") return this.#crash(pod);
    pod.phase = failed ? "Failed" : "Succeeded";
    pod.ready = false;
    this.#world.podEnded(this.#machine, pod);
    this.#report(pod);
  }

  #crash(pod: SimPod): void {
    pod.restarts++;
    pod.ready = false;
    pod.waiting = true;
    this.#report(pod);
    const wait = Math.min(restartMax, restartFirst * 2 ** Math.min(16, pod.restarts - 1));
    this.#whileItRuns(pod, wait, () => {
      pod.waiting = false;
      this.#begin(pod);
    });
  }

  /** What the guard does, a process of its own: no agent has to be alive for it. */
  #guard(uid: string, deadline: number): void {
    const { pods, name } = this.#machine;
    this.#deadlines.set(uid, deadline);
    if (deadline === Number.POSITIVE_INFINITY) return;
    const pod = pods.get(uid);
    this.#world.queue.schedule(deadline, () => {
      if (this.#deadlines.get(uid) !== deadline || pods.get(uid) !== pod || pod === undefined) return;
      this.#world.trace.add(this.#world.now, name, `the guard ends ${pod.start.name}`);
      pods.delete(uid);
      this.#machine.deliver({ type: "pod-gone", uid });
    });
  }

  #report(pod: SimPod): void {
    this.#machine.deliver({ type: "pod-report", report: reportOf(pod) });
  }

  readonly #isSick = ({ start }: SimPod): boolean => this.#sick.has(start.labels["app"] ?? "");

  #whileItRuns(pod: SimPod, delay: number, run: () => void): void {
    this.#later(delay, () => {
      if (this.#machine.pods.get(pod.start.uid) === pod && pod.phase === "Running") run();
    });
  }

  /** Not after a loss of power. */
  #later(delay: number, run: () => void): void {
    const { boots } = this.#machine;
    this.#world.queue.schedule(this.#world.now + delay, () => {
      if (this.#machine.boots === boots) run();
    });
  }
}
