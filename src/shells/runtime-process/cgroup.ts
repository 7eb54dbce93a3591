import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * A control group per pod, where this user may make one: it bounds memory and CPU, and it is the one
 * handle on every process of the pod, whatever they fork. Works with the unified hierarchy alone and with
 * the hybrid one (version 1 controllers beside it).
 */
export type PodCgroup = {
  /** Files a process writes its id to, to join. */
  readonly joinFiles: readonly string[];
  /** Where a 1 ends all of it; empty where the kernel has no such file. */
  readonly killFile: string;
  readonly killAll: () => void;
  /** Processes in the group now. */
  readonly pids: () => readonly number[];
  readonly remove: () => void;
};

export type Limits = { readonly memoryBytes?: number | undefined; readonly cpuMilli?: number | undefined };

const root = "/sys/fs/cgroup";
const period = 100_000;

/** Undefined where control groups cannot be made: the process group has to do. */
export function createCgroup(uid: string, limits: Limits): PodCgroup | undefined {
  const unified = existsSync(join(root, "cgroup.controllers")) ? root : join(root, "unified");
  const group = join(unified, "starlight", uid);
  try {
    mkdirSync(group, { recursive: true });
  } catch {
    return undefined;
  }
  const versionOne = unified === root ? [] : limitVersionOne(uid, limits);
  if (unified === root) limitVersionTwo(group, limits);
  const groups = [group, ...versionOne];
  const pids = (): number[] => numbersIn(join(group, "cgroup.procs"));
  return {
    joinFiles: groups.map((path) => join(path, "cgroup.procs")),
    pids,
    killFile: existsSync(join(group, "cgroup.kill")) ? join(group, "cgroup.kill") : "",
    killAll: () => {
      if (put(join(group, "cgroup.kill"), "1")) return;
      for (const pid of pids()) kill(pid);
    },
    remove: () => {
      for (const path of groups) removeFolder(path);
    },
  };
}

function limitVersionTwo(group: string, { memoryBytes, cpuMilli }: Limits): void {
  if (memoryBytes !== undefined) put(join(group, "memory.max"), String(memoryBytes));
  if (cpuMilli !== undefined)
    put(join(group, "cpu.max"), `${Math.round((cpuMilli * period) / 1000)} ${period}`);
}

function limitVersionOne(uid: string, { memoryBytes, cpuMilli }: Limits): string[] {
  const made: string[] = [];
  const make = (controller: string, file: string, value: string): void => {
    const group = join(root, controller, "starlight", uid);
    try {
      mkdirSync(group, { recursive: true });
    } catch {
      return;
    }
    made.push(group);
    put(join(group, file), value);
  };
  if (memoryBytes !== undefined) make("memory", "memory.limit_in_bytes", String(memoryBytes));
  if (cpuMilli !== undefined) make("cpu", "cpu.cfs_quota_us", String(Math.round((cpuMilli * period) / 1000)));
  return made;
}

function numbersIn(file: string): number[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function put(file: string, value: string): boolean {
  try {
    writeFileSync(file, value);
    return true;
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // A process is still ending; the next adoption removes it.
  }
}
