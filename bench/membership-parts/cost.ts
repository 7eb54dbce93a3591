import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Cluster, Member } from "./cluster.ts";
import { sleep } from "./cluster.ts";

/** What agents cost while nothing happens, and ways to disturb them. */

/** Per agent, means over all of them. */
export type Cost = {
  /** Whole IP packets a second, sent and received added. */
  readonly bytesPerSecond: number;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly memoryMB: number;
};

/** USER_HZ: the unit of times in /proc, 100 a second on Linux. */
const ticksPerSecond = 100;

export async function idleCost(cluster: Cluster, seconds: number): Promise<Cost> {
  const { members } = cluster;
  const sum = (of: (member: Member) => number): number =>
    members.reduce((total, member) => total + of(member), 0);
  const octets = (): number => sum((member) => octetsOf(cluster, member));
  const cpu = (): number => sum(ticksOf);
  const [bytesBefore, ticksBefore, from] = [octets(), cpu(), performance.now()];
  await sleep(seconds * 1_000);
  const took = (performance.now() - from) / 1_000;
  return {
    bytesPerSecond: (octets() - bytesBefore) / took / members.length,
    cpuPercent: (100 * (cpu() - ticksBefore)) / ticksPerSecond / took / members.length,
    memoryMB: sum(residentMB) / members.length,
  };
}

function octetsOf({ topology }: Cluster, { host }: Member): number {
  const text = topology.run(host, "cat", ["/proc/net/netstat"]);
  const [names = [], values = []] = text
    .split("\n")
    .filter((line) => line.startsWith("IpExt:"))
    .map((line) => line.split(" "));
  const field = (name: string): number => Number(values[names.indexOf(name)] ?? Number.NaN);
  return field("InOctets") + field("OutOctets");
}

function ticksOf({ process: child }: Member): number {
  const text = readFileSync(`/proc/${child?.pid ?? 0}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** The kernel counts in KiB. */
function residentMB({ process: child }: Member): number {
  const text = readFileSync(`/proc/${child?.pid ?? 0}/status`, "utf8");
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? Number.NaN) * 1024) / 1e6;
}

const neighbourLimit = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";

/**
 * Every host of a bridge keeps the address of every other, and the kernel has one limit for all namespaces,
 * usually 1,024. Raises it where 50 hosts would not fit. Returns how to put it back.
 */
export function roomForNeighbours(hosts: number): () => void {
  const before = readFileSync(neighbourLimit, "utf8").trim();
  const wanted = 4 * hosts * hosts;
  if (Number(before) >= wanted) return () => {};
  writeFileSync(neighbourLimit, String(wanted));
  return () => writeFileSync(neighbourLimit, before);
}

/** Two programs that never rest for every core. Returns how to end them. */
export function keepCoresBusy(): () => void {
  const busy: ChildProcess[] = [];
  for (let at = 0; at < 2 * cpus().length; at++)
    busy.push(spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }));
  return () => {
    for (const child of busy) child.kill("SIGKILL");
  };
}

/** Puts the second half of the hosts on a bridge of their own, and a cable between the two that can be pulled. */
export function halve({ topology, members }: Cluster): {
  readonly part: () => void;
  readonly join: () => void;
} {
  const [{ host } = { host: { namespace: "" } }] = members;
  const bridge = host.namespace.replace(/-\d+$/, "");
  const ip = (...args: readonly string[]): void => {
    execFileSync("ip", ["-n", bridge, ...args], { stdio: "pipe" });
  };
  const half = Object.values(topology.sites).flatMap((hosts) =>
    hosts.map((_, at) => at).slice(Math.ceil(hosts.length / 2)),
  );
  ip("link", "add", "br1", "type", "bridge");
  ip("link", "set", "br1", "up");
  ip("link", "add", "between0", "type", "veth", "peer", "name", "between1");
  ip("link", "set", "between0", "master", "br0");
  ip("link", "set", "between1", "master", "br1", "up");
  ip("link", "set", "between0", "up");
  for (const at of half) ip("link", "set", `port${at}`, "master", "br1");
  return {
    part: () => ip("link", "set", "between0", "down"),
    join: () => ip("link", "set", "between0", "up"),
  };
}
