import { readFileSync } from "node:fs";
import { arch, cpus, networkInterfaces, release, totalmem } from "node:os";
import type { StatusBody } from "../core/records/bodies.ts";

/** Node's names of architectures in Kubernetes' (Go's) words. */
const architectures: { readonly [name: string]: string } = { x64: "amd64", ia32: "386" };

/** What this machine is. The agent's own share is left out of what workloads may reserve. */
export function measureMachine(options: {
  readonly addresses: readonly string[];
  readonly agentVersion: string;
  readonly startedAt: number;
  readonly runtimes: readonly string[];
}): StatusBody {
  const cores = Math.max(1, cpus().length);
  const memory = totalmem();
  const capacity = { cpuMilli: cores * 1000, memoryBytes: memory, pods: 110 };
  const agentShare = { cpuMilli: Math.min(100, cores * 50), memoryBytes: 128 * 2 ** 20 };
  return {
    addresses: options.addresses,
    capacity,
    allocatable: {
      cpuMilli: capacity.cpuMilli - agentShare.cpuMilli,
      memoryBytes: Math.max(0, memory - agentShare.memoryBytes),
      pods: capacity.pods,
    },
    tier: memory >= 7.5 * 2 ** 30 ? 2 : 3,
    os: process.platform,
    architecture: architectures[arch()] ?? arch(),
    kernel: release(),
    agentVersion: options.agentVersion,
    bootId: read("/proc/sys/kernel/random/boot_id"),
    agentStartedAt: options.startedAt,
    runtimes: options.runtimes,
  };
}

/** Addresses of this machine that others may reach, IPv4 first; loopback only when there is nothing else. */
export function ownHosts(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = all.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  const four = usable.filter(({ family }) => family === "IPv4").map(({ address }) => address);
  const six = usable.filter(({ family }) => family === "IPv6").map(({ address }) => `[${address}]`);
  const hosts = [...four, ...six].slice(0, 8);
  return hosts.length > 0 ? hosts : ["127.0.0.1"];
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "unknown";
  }
}
