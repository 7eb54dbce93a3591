import { readFileSync } from "node:fs";
import { networkInterfaces, platform } from "node:os";
import type { LinkClass } from "../core/records/link-class.ts";
import type { StatusBody } from "../core/records/bodies.ts";
import type { Capabilities, Tier } from "../shells/machine/contract.ts";
import { extendedResources, labelsOf } from "../shells/machine/labels.ts";
import { steadyPercent } from "../shells/machine/steady.ts";
import { formatAddress, parseAddress, type Address } from "../shells/identity-file/address.ts";
import { addressesMax } from "../shells/identity-file/names.ts";
import type { Config } from "./config-schema.ts";

/**
 * What is published of this machine.
 *
 * Allocatable: the capacity without what the system and the agent need: 100 milli-CPU, the larger of 192 MiB
 * and 5 % of the memory, and a tenth of the disk.
 */
export type MeasureOptions = {
  readonly listen: Address;
  readonly settings: Pick<Config, "advertise" | "uplink">;
  readonly runtime: string;
  readonly agentVersion: string;
  readonly agentStartedAt: number;
};

/** Instead of an address: nobody can dial this node, it opens every link itself. */
const advertiseNone = "none";
const mebi = 1024 * 1024;
const podsMax = 110;

export function createMeasure(options: MeasureOptions): (found: Capabilities) => StatusBody {
  let diskFreePercent: number | undefined;
  return (found) => {
    const disk = found.disk.value;
    const free = disk === undefined ? undefined : (100 * disk.freeBytes) / Math.max(1, disk.totalBytes);
    diskFreePercent = steadyPercent(diskFreePercent, free);
    const { batteryPercent } = found.power.value;
    return {
      ...machineStatus(found, options),
      ...(diskFreePercent === undefined ? {} : { diskFreePercent }),
      ...(batteryPercent === undefined ? {} : { batteryPercent }),
    };
  };
}

function machineStatus(found: Capabilities, options: MeasureOptions): StatusBody {
  const { listen, settings, runtime, agentVersion, agentStartedAt } = options;
  const memoryBytes = found.memoryBytes.value;
  const cpuMilli = found.cpu.value.cores * 1_000;
  const storageBytes = found.disk.value?.totalBytes;
  const room = (share: number): { readonly storageBytes?: number } =>
    storageBytes === undefined ? {} : { storageBytes: Math.floor(storageBytes * share) };
  const extended = extendedResources(found);
  const reserved = Math.max(192 * mebi, Math.ceil(memoryBytes / 20));
  return {
    addresses: addressesOf({ listen, advertise: settings.advertise }),
    capacity: { cpuMilli, memoryBytes, pods: podsMax, ...room(1), extended },
    allocatable: {
      cpuMilli: Math.max(0, cpuMilli - 100),
      memoryBytes: Math.max(0, memoryBytes - reserved),
      pods: podsMax,
      ...room(0.9),
      extended,
    },
    tier: found.tier.value,
    os: platform(),
    osImage: found.os.value.name,
    architecture: found.architecture.value,
    kernel: found.kernel.value,
    labels: labelsOf(found),
    agentVersion,
    bootId: bootId(),
    agentStartedAt,
    runtimes: [runtime],
    uplink: settings.uplink === "auto" ? uplinkOf(found) : settings.uplink,
  };
}

/** What the network class says of the way to other sites. Ethernet and Wi-Fi end at somebody's router. */
export function uplinkOf({ network }: Pick<Capabilities, "network">): LinkClass {
  const { class: kind, metered } = network.value;
  if (kind === "satellite" || kind === "cellular") return kind;
  return metered ? "cellular" : "wan";
}

/** The operator's tier; undefined for the rules'. */
export const tierSetting = ({ tier }: Pick<Config, "tier">): Tier | undefined =>
  tier === "auto" ? undefined : (Number(tier) as Tier);

/** The addresses that peers are told, best first: what was asked for, or what the interfaces have. */
export function addressesOf({
  listen,
  advertise,
}: {
  readonly listen: Address;
  /** `host:port` or `host`, which gets our port; `none` for no address; empty for those of the interfaces. */
  readonly advertise: readonly string[];
}): readonly string[] {
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

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().slice(0, 64);
  } catch {
    return "unknown";
  }
}
