import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import type { ContainerBody } from "../../core/records/bodies.ts";
import type { ContainerSpec } from "./pod-spec.ts";
import {
  exitCodeOf,
  isGroupRunning,
  isRunning,
  signalGroup,
  startProgram,
  type ProcessId,
  type Program,
} from "./processes.ts";
import { runProbe, type ProbeTarget, type RunningProbe } from "./probes.ts";

/** One container: its process, its probes, its restarts. It outlives this object. */

export type ContainerState = {
  /** Undefined before the first start and between restarts. */
  process: ProcessId | undefined;
  restarts: number;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  exitCode: number | undefined;
  /** It has ended and is not started again. */
  over?: boolean;
  /** What the manifest's ports are on this host. */
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly hostPort: number }[];
};

export type ContainerTiming = {
  readonly backoffFirstMs: number;
  readonly backoffMaxMs: number;
  /** A container that ran this long starts its backoff anew. */
  readonly healthyAfterMs: number;
};

export type RunningContainer = {
  readonly state: ContainerState;
  readonly body: () => ContainerBody;
  readonly isAlive: () => boolean;
  /** It has ended for good, or left word of how it ended meanwhile. */
  readonly hasEnded: () => boolean;
  /** The program, or what it started. */
  readonly anyLeft: () => boolean;
  /** Starts it, or picks up the process that already runs. */
  readonly resume: () => void;
  /** Notices the end of a process that is not our child. */
  readonly poll: () => void;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** No more probes, restarts or reports. */
  readonly release: () => void;
};

export function runContainer(
  spec: ContainerSpec,
  state: ContainerState,
  program: Program,
  target: ProbeTarget,
  timing: ContainerTiming,
  changed: () => void,
): RunningContainer {
  let probes: RunningProbe[] = [];
  let ready = false;
  let started = spec.startup === undefined;
  let timer: NodeJS.Timeout | undefined;
  let released = false;
  let crashes = 0;
  let reason: string | undefined;

  const stopProbes = (): void => {
    for (const probe of probes) probe.stop();
    probes = [];
  };

  const start = (): void => {
    timer = undefined;
    if (released) return;
    reason = undefined;
    try {
      const { child, id } = startProgram(program);
      state.process = id;
      watch(child, id);
    } catch (error) {
      reason = `StartError: ${error instanceof Error ? error.message : String(error)}`;
      return ended(128);
    }
    state.startedAt = Date.now();
    state.exitCode = undefined;
    supervise();
    changed();
  };

  /** `poll` may have noticed the end first, and then the next process may run already. */
  const watch = (child: ChildProcess, id: ProcessId): void => {
    child.on("exit", () => {
      if (!released && state.process === id) died(id);
    });
  };

  /** What the program started goes with it: the next one needs its ports. */
  const died = (id: ProcessId): void => {
    signalGroup(id, "SIGKILL");
    ended(exitCodeOf(program.exitFile));
  };

  const supervise = (): void => {
    stopProbes();
    started = spec.startup === undefined;
    ready = started && spec.readiness === undefined;
    if (spec.startup !== undefined) {
      probes.push(
        runProbe(spec.startup, target, (passes) => {
          if (!passes) return restart("the startup probe fails");
          if (started) return;
          started = true;
          ready = spec.readiness === undefined;
          probeRunning();
          changed();
        }),
      );
    } else probeRunning();
  };

  const probeRunning = (): void => {
    if (spec.readiness !== undefined) {
      probes.push(
        runProbe(spec.readiness, target, (passes) => {
          if (ready === passes) return;
          ready = passes;
          changed();
        }),
      );
    }
    if (spec.liveness !== undefined) {
      probes.push(
        runProbe(spec.liveness, target, (passes) => {
          if (!passes) restart("the liveness probe fails");
        }),
      );
    }
  };

  const restart = (why: string): void => {
    reason = why;
    if (state.process !== undefined) signalGroup(state.process, "SIGKILL");
  };

  const ended = (exitCode: number): void => {
    stopProbes();
    const ran = Date.now() - (state.startedAt ?? Date.now());
    crashes = ran >= timing.healthyAfterMs ? 1 : crashes + 1;
    state.process = undefined;
    state.exitCode = exitCode;
    state.finishedAt = Date.now();
    ready = false;
    if (spec.restart === "Never" || (spec.restart === "OnFailure" && exitCode === 0)) {
      state.over = true;
      return changed();
    }
    state.restarts++;
    const wait = Math.min(timing.backoffMaxMs, timing.backoffFirstMs * 2 ** (crashes - 1));
    timer = setTimeout(start, wait);
    changed();
  };

  const isAlive = (): boolean => state.process !== undefined && isRunning(state.process);

  return {
    state,
    isAlive,
    hasEnded: () => state.over === true || (spec.restart !== "Always" && existsSync(program.exitFile)),
    anyLeft: () => state.process !== undefined && isGroupRunning(state.process),
    resume: () => {
      if (state.over === true) return;
      if (isAlive()) return supervise();
      if (existsSync(program.exitFile) || state.process !== undefined) ended(exitCodeOf(program.exitFile));
      else start();
    },
    poll: () => {
      if (!released && state.process !== undefined && !isAlive()) died(state.process);
    },
    signal: (signal) => {
      if (state.process !== undefined) signalGroup(state.process, signal);
    },
    release: () => {
      released = true;
      stopProbes();
      clearTimeout(timer);
    },
    body: () => ({
      name: spec.name,
      image: spec.image,
      state: state.over === true ? "terminated" : state.process === undefined ? "waiting" : "running",
      ready,
      restarts: state.restarts,
      ...(state.process === undefined ? {} : { pid: state.process.pid }),
      ...(state.startedAt === undefined ? {} : { startedAt: state.startedAt }),
      ...(state.finishedAt === undefined ? {} : { finishedAt: state.finishedAt }),
      ...(state.exitCode === undefined ? {} : { exitCode: state.exitCode }),
      ...(state.over === true
        ? { reason: state.exitCode === 0 ? "Completed" : "Error" }
        : state.process === undefined && state.restarts > 0
          ? { reason: "CrashLoopBackOff" }
          : {}),
      ...(reason === undefined ? {} : { message: reason.slice(0, 1024) }),
      ports: state.ports.map(({ name, port, hostPort }) => ({
        ...(name === undefined ? {} : { name }),
        port,
        hostPort,
      })),
    }),
  };
}
