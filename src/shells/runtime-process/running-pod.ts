import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import type { PodReport, PodStart } from "../../core/node/contract.ts";
import type { Guard } from "../guard/create-guard.ts";
import { createCgroup, type PodCgroup } from "./cgroup.ts";
import { fenceFile, openFence } from "./fence.ts";
import { rotateLog } from "./logs.ts";
import { containersOf, volumeNames, type ContainerSpec } from "./pod-spec.ts";
import { expand, findProgram, type Program, type Resident } from "./processes.ts";
import type { ProbeTarget } from "./probes.ts";
import {
  runContainer,
  type ContainerState,
  type ContainerTiming,
  type RunningContainer,
} from "./running-container.ts";

/** One pod in its folder: `pod.json`, `root/` (the file tree), `logs/`, `exit/`. */

export type PodOptions = {
  /** Parent of the pods' folders. */
  readonly directory: string;
  readonly address: string;
  readonly timing: ContainerTiming;
  readonly cgroups: boolean;
  /** Ends exclusive pods whose lease runs out. */
  readonly guard: Guard;
  /** The time of an exclusive pod is over; what is left of it is to be cleared away. */
  readonly expired: (uid: string) => void;
  readonly changed: (report: PodReport) => void;
};

/** What `pod.json` holds: enough to go on after a restart of the agent. */
type PodFile = { readonly start: PodStart; readonly containers: { readonly [name: string]: ContainerState } };

export type RunningPod = {
  readonly uid: string;
  readonly report: () => PodReport;
  readonly poll: () => void;
  /** Says how long an exclusive pod may run. */
  readonly arm: (until: number) => void;
  /** What its processes use of these. */
  readonly memoryUse: (resident: Resident) => number;
  readonly logFile: (container: string | undefined) => string | undefined;
  /** Ends everything and removes the folder. */
  readonly stop: (graceMs: number) => Promise<void>;
  /** Lets go of it without touching its processes. */
  readonly release: () => void;
};

/** Starts a new pod. Throws with a sentence for people when it cannot be run here. */
export async function startPod(start: PodStart, options: PodOptions): Promise<RunningPod> {
  const folder = join(options.directory, start.uid);
  const root = join(folder, "root");
  for (const part of [root, join(folder, "logs"), join(folder, "exit")])
    mkdirSync(part, { recursive: true, mode: 0o700 });
  linkKept(start, folder, options.directory);
  writeVolumes(start, folder);
  const states: { [name: string]: ContainerState } = {};
  for (const container of containersOf(start.spec)) {
    mountVolumes(container, folder);
    states[container.name] = {
      process: undefined,
      restarts: 0,
      startedAt: undefined,
      finishedAt: undefined,
      exitCode: undefined,
      ports: await hostPorts(container, start.spec["hostNetwork"] === true),
    };
  }
  return run(start, states, folder, options);
}

/** Removes what is left of a pod that does not run. */
export function removePod(uid: string, { directory, cgroups }: PodOptions): void {
  const cgroup = cgroups ? createCgroup(uid, {}) : undefined;
  cgroup?.killAll();
  cgroup?.remove();
  rmSync(join(directory, uid), { recursive: true, force: true });
}

/** Takes up a pod found on disk; undefined when nothing of it is alive, its folder is then removed. */
export function adoptPod(uid: string, options: PodOptions): RunningPod | undefined {
  const folder = join(options.directory, uid);
  const file = readPodFile(folder);
  if (file !== undefined) {
    const pod = run(file.start, file.containers, folder, options, true);
    if (pod !== undefined) return pod;
  }
  removePod(uid, options);
  return undefined;
}

function run(start: PodStart, states: PodFile["containers"], folder: string, options: PodOptions): RunningPod;
function run(
  start: PodStart,
  states: PodFile["containers"],
  folder: string,
  options: PodOptions,
  onlyIfAlive: true,
): RunningPod | undefined;
function run(
  start: PodStart,
  states: PodFile["containers"],
  folder: string,
  options: PodOptions,
  onlyIfAlive = false,
): RunningPod | undefined {
  const specs = containersOf(start.spec);
  const limits = {
    memoryBytes: total(specs.map((spec) => spec.limits.memoryBytes)),
    cpuMilli: total(specs.map((spec) => spec.limits.cpuMilli)),
  };
  const cgroup = options.cgroups ? createCgroup(start.uid, limits) : undefined;
  const fence =
    start.fence === undefined
      ? undefined
      : openFence(start.uid, start.fence, folder, options.guard, cgroup?.killFile ?? "", () =>
          options.expired(start.uid),
        );
  const containers: RunningContainer[] = [];
  const report = (): PodReport => reportOf(start, options.address, containers);
  const changed = (): void => {
    savePodFile(folder, { start, containers: states });
    options.changed(report());
  };
  for (const spec of specs) {
    const state = states[spec.name];
    if (state === undefined) continue;
    const env = environmentOf(start, spec, state, folder);
    const program = {
      ...programOf(spec, env, folder, cgroup),
      ...(fence === undefined ? {} : { admit: fence.admit }),
    };
    const target: ProbeTarget = {
      address: options.address,
      cwd: program.cwd,
      env,
      hostPort: (port) => hostPortOf(state, port),
    };
    containers.push(runContainer(spec, state, program, target, options.timing, changed));
  }
  const adopted = specs.flatMap(({ name }) => states[name]?.process ?? []);
  for (const id of adopted) void fence?.admit(id);
  if (onlyIfAlive && !containers.some((container) => container.isAlive() || container.hasEnded()))
    return undefined;
  for (const container of containers) container.resume();
  const anyLeft = (): boolean =>
    containers.some((container) => container.anyLeft()) || (cgroup?.pids().length ?? 0) > 0;
  const logOf = (name: string): string => join(folder, "logs", `${name}.log`);
  return {
    uid: start.uid,
    report,
    poll: () => {
      for (const container of containers) container.poll();
      for (const { name } of specs) rotateLog(logOf(name));
    },
    logFile: (container) => {
      const spec = container === undefined ? specs[0] : specs.find(({ name }) => name === container);
      return spec === undefined ? undefined : logOf(spec.name);
    },
    memoryUse: ({ byProcess, byGroup }) => {
      const groups = specs.flatMap(({ name }) => states[name]?.process?.pid ?? []);
      // A process may have left its group, but not its control group.
      const pids = new Set([
        ...groups.flatMap((group) => [...(byGroup.get(group) ?? [])]),
        ...(cgroup?.pids() ?? []),
      ]);
      return [...pids].reduce((sum, pid) => sum + (byProcess.get(pid) ?? 0), 0);
    },
    arm: (until) => fence?.arm(until),
    release: () => {
      for (const container of containers) container.release();
    },
    stop: async (graceMs) => {
      for (const container of containers) {
        container.release();
        container.signal("SIGTERM");
      }
      for (let waited = 0; waited < graceMs && anyLeft(); waited += 10) await sleep(10);
      for (let tries = 0; tries < 500 && anyLeft(); tries++) {
        for (const container of containers) container.signal("SIGKILL");
        cgroup?.killAll();
        await sleep(10);
      }
      cgroup?.remove();
      fence?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function reportOf(start: PodStart, address: string, containers: readonly RunningContainer[]): PodReport {
  const bodies = containers.map((container) => container.body());
  const waiting = bodies.find(({ state }) => state === "waiting");
  return {
    uid: start.uid,
    phase: phaseOf(bodies),
    ready: bodies.length > 0 && bodies.every(({ ready }) => ready),
    address,
    containers: bodies,
    ...(waiting?.reason === undefined ? {} : { reason: waiting.reason }),
    ...(waiting?.message === undefined ? {} : { message: waiting.message }),
  };
}

function phaseOf(bodies: PodReport["containers"]): PodReport["phase"] {
  if (bodies.length > 0 && bodies.every(({ state }) => state === "terminated"))
    return bodies.every(({ exitCode }) => exitCode === 0) ? "Succeeded" : "Failed";
  return bodies.every(({ startedAt }) => startedAt !== undefined) ? "Running" : "Pending";
}

function programOf(
  spec: ContainerSpec,
  env: Program["env"],
  folder: string,
  cgroup: PodCgroup | undefined,
): Program {
  const root = join(folder, "root");
  const cwd = spec.workingDir === undefined ? root : inside(root, spec.workingDir);
  mkdirSync(cwd, { recursive: true });
  const argv = spec.argv.map((word) => expand(word, env));
  const [command] = argv;
  if (command === undefined)
    throw new Error(`container ${spec.name} has no command; the process runtime needs one`);
  const found = findProgram(command, env["PATH"] ?? "", cwd);
  if (found === undefined)
    throw new Error(`command ${JSON.stringify(command)} not found in PATH or in ${spec.workingDir ?? "/"}`);
  return {
    argv: [found, ...argv.slice(1)],
    cwd,
    env,
    logFile: join(folder, "logs", `${spec.name}.log`),
    exitFile: join(folder, "exit", spec.name),
    joinFiles: cgroup?.joinFiles ?? [],
  };
}

/** Nothing of the agent's own environment leaks but the search path; Node's own folder comes last in it. */
function environmentOf(
  start: PodStart,
  spec: ContainerSpec,
  state: ContainerState,
  folder: string,
): Program["env"] {
  const path = process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
  const env: { [name: string]: string } = {
    PATH: `${path}:${dirname(process.execPath)}`,
    HOME: join(folder, "root"),
    HOSTNAME: start.name,
    STARLIGHT_ROOT: join(folder, "root"),
  };
  if (start.fence !== undefined) env["STARLIGHT_FENCE_FILE"] = join(folder, fenceFile);
  const [first] = state.ports;
  if (first !== undefined) env["PORT"] = String(first.hostPort);
  for (const { name, hostPort } of state.ports) {
    if (name !== undefined) env[`PORT_${name.toUpperCase().replaceAll("-", "_")}`] = String(hostPort);
  }
  for (const [name, value] of Object.entries(start.env[spec.name] ?? {})) env[name] = expand(value, env);
  return env;
}

/** Folders that stay with the machine stand beside the pods' folders, linked into each pod that has them. */
function linkKept(start: PodStart, folder: string, directory: string): void {
  for (const [volume, name] of Object.entries(start.kept ?? {})) {
    const kept = inside(join(directory, "..", "volumes"), name);
    mkdirSync(kept, { recursive: true, mode: 0o700 });
    mkdirSync(join(folder, "volumes"), { recursive: true });
    symlinkSync(kept, join(folder, "volumes", volume));
  }
}

function writeVolumes(start: PodStart, folder: string): void {
  for (const volume of volumeNames(start.spec)) {
    const place = join(folder, "volumes", volume);
    mkdirSync(place, { recursive: true });
    for (const [name, content] of Object.entries(start.files[volume] ?? {})) {
      const file = inside(place, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }
}

/** A volume appears at its mount path inside the pod's root, as a link. */
function mountVolumes(spec: ContainerSpec, folder: string): void {
  for (const mount of spec.mounts) {
    const volume = join(folder, "volumes", mount.volume);
    const source = mount.subPath === undefined ? volume : inside(volume, mount.subPath);
    const target = inside(join(folder, "root"), mount.path);
    if (existsSync(target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(source, target);
  }
}

/** A path below `root`, whatever `..` it contains. */
function inside(root: string, path: string): string {
  return join(root, resolve("/", path));
}

async function hostPorts(spec: ContainerSpec, hostNetwork: boolean): Promise<ContainerState["ports"]> {
  const ports: ContainerState["ports"][number][] = [];
  for (const { name, port } of spec.ports) {
    const hostPort = hostNetwork ? port : await freePort();
    ports.push({ ...(name === undefined ? {} : { name }), port, hostPort });
  }
  return ports;
}

function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, () => {
      const address = server.address();
      server.close(() => resolvePort(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function hostPortOf(state: ContainerState, port: number | string): number | undefined {
  const known = state.ports.find((entry) => entry.port === port || entry.name === port);
  return known?.hostPort ?? (typeof port === "number" ? port : undefined);
}

function savePodFile(folder: string, file: PodFile): void {
  if (!existsSync(folder)) return;
  const path = join(folder, "pod.json");
  writeFileSync(`${path}.new`, JSON.stringify(file), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function readPodFile(folder: string): PodFile | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "pod.json"), "utf8")) as PodFile;
  } catch {
    return undefined;
  }
}

function total(values: readonly (number | undefined)[]): number | undefined {
  return values.every((value) => value !== undefined) && values.length > 0
    ? values.reduce<number>((sum, value) => sum + (value ?? 0), 0)
    : undefined;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolveSleep) => setTimeout(resolveSleep, ms));
}
