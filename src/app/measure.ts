import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, networkInterfaces, platform, release, totalmem } from "node:os";
import type { LinkClass } from "../core/records/link-class.ts";
import type { StatusBody } from "../core/records/bodies.ts";
import { formatAddress, parseAddress } from "../shells/identity-file/address.ts";
import { addressesMax } from "../shells/identity-file/names.ts";

/**
 * What this machine is.
 *
 * Tier: 1 with a GPU for computing and at least 32 GB, 2 with at least 8 GB, else 3. A tenth is forgiven,
 * because firmware and kernel keep a part of the memory that was bought.
 *
 * Allocatable: the capacity without what the system and the agent need: 100 milli-CPU, and the larger of
 * 192 MiB and 5 % of the memory.
 */
export type MeasureOptions = {
  readonly listen: { readonly host: string; readonly port: number };
  /** `host:port` or `host`, which gets our port; `none` for no address; empty for those of the interfaces. */
  readonly advertise: readonly string[];
  readonly runtime: string;
  readonly agentVersion: string;
  readonly agentStartedAt: number;
  readonly uplink: LinkClass;
};

/** Instead of an address: nobody can dial this node, it opens every link itself. */
const advertiseNone = "none";
const mebi = 1024 * 1024;
const giga = 1e9;
const podsMax = 110;

export function measureMachine(options: MeasureOptions): StatusBody {
  const memoryBytes = memoryLimit();
  const cpuMilli = availableParallelism() * 1_000;
  const reserved = Math.max(192 * mebi, Math.ceil(memoryBytes / 20));
  return {
    addresses: addressesOf(options),
    capacity: { cpuMilli, memoryBytes, pods: podsMax },
    allocatable: {
      cpuMilli: Math.max(0, cpuMilli - 100),
      memoryBytes: Math.max(0, memoryBytes - reserved),
      pods: podsMax,
    },
    tier: tierOf(memoryBytes, hasComputeGpu()),
    os: platform(),
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    kernel: release().slice(0, 128),
    agentVersion: options.agentVersion,
    bootId: bootId(),
    agentStartedAt: options.agentStartedAt,
    runtimes: [options.runtime],
    uplink: options.uplink,
  };
}

export function tierOf(memoryBytes: number, gpu: boolean): 1 | 2 | 3 {
  if (gpu && memoryBytes >= 0.9 * 32 * giga) return 1;
  return memoryBytes >= 0.9 * 8 * giga ? 2 : 3;
}

/** The addresses that peers are told, best first: what was asked for, or what the interfaces have. */
export function addressesOf({
  listen,
  advertise,
}: Pick<MeasureOptions, "listen" | "advertise">): readonly string[] {
  if (advertise.includes(advertiseNone)) return [];
  if (advertise.length > 0) {
    return advertise.flatMap((text) => {
      const address = parseAddress(text, { portDefault: listen.port });
      return address === undefined ? [] : [formatAddress(address)];
    });
  }
  const everywhere = listen.host === "0.0.0.0" || listen.host === "::";
  if (!everywhere) return [formatAddress(listen)];
  return interfaceHosts(listen.host === "::")
    .map((host) => formatAddress({ host, port: listen.port }))
    .slice(0, addressesMax);
}

/** Addresses that mean the same to other machines: no loopback, no link-local. IPv4 first. */
function interfaceHosts(withIpv6: boolean): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((infos) => infos ?? []);
  const outward = all.filter(({ internal, address }) => !internal && !/^(fe80|169\.254\.)/i.test(address));
  const of = (family: string): string[] =>
    outward.flatMap((info) => (info.family === family ? [info.address] : [])).sort();
  return [...of("IPv4"), ...(withIpv6 ? of("IPv6") : [])];
}

/** The machine's memory, or less where this process's control group has less. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  const total = totalmem();
  return constrained > 0 && constrained < total ? constrained : total;
}

function hasComputeGpu(): boolean {
  if (existsSync("/dev/kfd") || existsSync("/dev/nvhost-gpu")) return true;
  try {
    return readdirSync("/dev").some((name) => /^nvidia\d+$/.test(name));
  } catch {
    return false;
  }
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().slice(0, 64);
  } catch {
    return "unknown";
  }
}
