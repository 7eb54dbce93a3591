import type { MachineFiles } from "./files.ts";

/** How much memory is left, as far as this process and what it starts may have it. */
export type MemoryLeft = {
  readonly availableBytes: number;
  /** Of the last ten seconds, how long everything stood still for want of memory; 0 where nobody can tell. */
  readonly stalledPercent: number;
  /** The file that says so. */
  readonly from: string;
};

const meminfo = "/proc/meminfo";
const pressure = "/proc/pressure/memory";
const membership = "/proc/self/cgroup";
const unified = "/sys/fs/cgroup";

/** Undefined where the kernel does not say how much is left. Three to ten small files. */
export function readMemoryLeft(files: MachineFiles): MemoryLeft | undefined {
  const kib = /^MemAvailable: *(\d{1,12}) kB$/m.exec(files.text(meminfo) ?? "")?.[1];
  const limits = groupsAbove(files).flatMap((group) => roomIn(files, group) ?? []);
  const machine = kib === undefined ? [] : [{ availableBytes: Number(kib) * 1024, from: meminfo }];
  const [least] = [...machine, ...limits].sort((left, right) => left.availableBytes - right.availableBytes);
  return least === undefined ? undefined : { ...least, stalledPercent: stalledPercent(files) };
}

/** Control groups (version 2) that this process is in, the innermost first: the limit of each counts. */
function groupsAbove(files: MachineFiles): readonly string[] {
  const line = (files.text(membership) ?? "").split("\n").find((candidate) => candidate.startsWith("0::/"));
  if (line === undefined) return [];
  const parts = line.slice("0::/".length).split("/").filter(Boolean);
  // `..` is a group outside of our namespace: what is above our root cannot be read.
  if (parts.includes("..")) return [unified];
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    [unified, ...parts.slice(0, parts.length - up)].join("/"),
  );
}

/** As the kubelet counts: what files in the page cache take that were not used lately can be had back. */
function roomIn(
  files: MachineFiles,
  group: string,
): { readonly availableBytes: number; readonly from: string } | undefined {
  const bytes = (name: string): number | undefined => {
    const text = files.text(`${group}/${name}`);
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  const [limit, current] = [bytes("memory.max"), bytes("memory.current")];
  // The word `max`: no limit here.
  if (limit === undefined || current === undefined) return undefined;
  const cache = /^inactive_file (\d{1,15})$/m.exec(files.text(`${group}/memory.stat`) ?? "")?.[1];
  const used = Math.max(0, current - Number(cache ?? 0));
  return { availableBytes: Math.max(0, limit - used), from: `${group}/memory.max` };
}

/** Pressure stall information (Documentation/accounting/psi.rst): the `full` line, averaged over ten seconds. */
function stalledPercent(files: MachineFiles): number {
  const average = /^full avg10=(\d{1,3}(?:\.\d+)?) /m.exec(files.text(pressure) ?? "")?.[1];
  return average === undefined ? 0 : Math.min(100, Number(average));
}
