import { mkdirSync, readdirSync } from "node:fs";
import type { PodReport, PodStart } from "../../core/node/contract.ts";
import type { Runtime, RuntimeEvents } from "../../ports/runtime.ts";
import { createGuard } from "../guard/create-guard.ts";
import { readLog } from "./logs.ts";
import { residentMemory } from "./processes.ts";
import { adoptPod, removePod, startPod, type PodOptions, type RunningPod } from "./running-pod.ts";

export type ProcessRuntimeOptions = {
  /** Where pods live, one folder each. */
  readonly directory: string;
  /** The host address that workloads answer on. */
  readonly address: string;
  readonly events: RuntimeEvents;
  readonly log: (level: "info" | "warning", message: string) => void;
  /** `off` uses process groups only; `auto` makes control groups where it may. */
  readonly cgroups?: "auto" | "off";
  /** Restart backoff and log polling, for tests that cannot wait. */
  readonly timing?: Partial<PodOptions["timing"]>;
};

const pollMs = 250;

/** Runs pods as plain processes of this host: nothing to install, nothing to pull. */
export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const { directory, events, log } = options;
  const pods = new Map<string, RunningPod>();
  /** Until when exclusive pods may run, also those that are still being started. */
  const armed = new Map<string, number>();
  /** Started or stopping, whichever came last; keeps both idempotent while they are under way. */
  const underWay = new Map<string, "starting" | "stopping">();
  const guard = createGuard(directory, (message) => log("warning", message));
  const podOptions: PodOptions = {
    directory,
    address: options.address,
    cgroups: options.cgroups !== "off",
    guard,
    expired: (uid) => stop(uid, 0),
    timing: { backoffFirstMs: 1_000, backoffMaxMs: 300_000, healthyAfterMs: 600_000, ...options.timing },
    changed: (report) => {
      if (pods.has(report.uid) && !underWay.has(report.uid)) events.report(report);
    },
  };
  let polling: NodeJS.Timeout | undefined;
  /** Looks at pods while there are any: a node without has nothing to wake up for. */
  const keep = (uid: string, pod: RunningPod): void => {
    pods.set(uid, pod);
    polling ??= setInterval(poll, pollMs).unref();
  };
  const poll = (): void => {
    for (const pod of pods.values()) if (!underWay.has(pod.uid)) pod.poll();
    if (pods.size > 0) return;
    clearInterval(polling);
    polling = undefined;
  };

  const start = async (pod: PodStart): Promise<void> => {
    if (pods.has(pod.uid) || underWay.has(pod.uid)) return;
    underWay.set(pod.uid, "starting");
    try {
      const running = await startPod(pod, podOptions);
      keep(pod.uid, running);
      running.arm(armed.get(pod.uid) ?? 0);
    } catch (error) {
      const stopped = underWay.get(pod.uid) === "stopping";
      underWay.delete(pod.uid);
      removePod(pod.uid, podOptions);
      if (stopped) return events.gone(pod.uid);
      events.report(failed(pod, options.address, error));
      return;
    }
    const stopped = underWay.get(pod.uid) === "stopping";
    underWay.delete(pod.uid);
    if (stopped) return stop(pod.uid, 0);
    const running = pods.get(pod.uid);
    if (running !== undefined) events.report(running.report());
  };

  const stop = (uid: string, graceMs: number): void => {
    if (underWay.get(uid) === "stopping") return;
    if (underWay.get(uid) === "starting") {
      underWay.set(uid, "stopping");
      return;
    }
    const pod = pods.get(uid);
    if (pod === undefined) {
      setImmediate(() => events.gone(uid));
      return;
    }
    underWay.set(uid, "stopping");
    void pod.stop(graceMs).then(() => {
      pods.delete(uid);
      armed.delete(uid);
      underWay.delete(uid);
      events.gone(uid);
    });
  };

  return {
    name: "process",
    adopt: async () => {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        if (!entry.isDirectory() || pods.has(entry.name)) continue;
        const pod = adoptPod(entry.name, podOptions);
        if (pod === undefined) log("info", `pod ${entry.name} did not survive; its folder is removed`);
        else keep(entry.name, pod);
      }
      return Promise.resolve([...pods.values()].map((pod) => pod.report()));
    },
    start: (pod) => void start(pod),
    arm: (uid, until) => {
      armed.set(uid, until);
      pods.get(uid)?.arm(until);
    },
    stop,
    logs: (uid, logOptions) => {
      const file = pods.get(uid)?.logFile(logOptions.container);
      return file === undefined ? undefined : readLog(file, logOptions, () => !pods.has(uid));
    },
    memoryUse: () => {
      if (pods.size === 0) return new Map();
      const resident = residentMemory();
      return new Map([...pods.values()].map((pod) => [pod.uid, pod.memoryUse(resident)]));
    },
    detach: async () => {
      clearInterval(polling);
      guard.close();
      for (const pod of pods.values()) pod.release();
      pods.clear();
      await Promise.resolve();
    },
  };
}

/** A pod that cannot run here at all: another node may be able to. */
function failed(pod: PodStart, address: string, error: unknown): PodReport {
  const message = error instanceof Error ? error.message : String(error);
  return {
    uid: pod.uid,
    phase: "Failed",
    ready: false,
    address,
    containers: [],
    reason: "StartError",
    message,
  };
}
