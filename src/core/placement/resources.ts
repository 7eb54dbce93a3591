import type { Resources } from "../records/bodies.ts";
import type { Requests } from "./contract.ts";

/** What is taken of a node, by what runs there and by what a placement gave it so far. */
export type Used = {
  cpuMilli: number;
  memoryBytes: number;
  ephemeralBytes: number;
  pods: number;
  readonly extended: Map<string, number>;
};

export const nothingUsed = (): Used => ({
  cpuMilli: 0,
  memoryBytes: 0,
  ephemeralBytes: 0,
  pods: 0,
  extended: new Map(),
});

/** @param copies 1 to take, -1 to give back. */
export function take(used: Used, requests: Requests, copies: 1 | -1): void {
  used.cpuMilli += copies * requests.cpuMilli;
  used.memoryBytes += copies * requests.memoryBytes;
  used.pods += copies;
  if (requests.ephemeralBytes !== undefined) used.ephemeralBytes += copies * requests.ephemeralBytes;
  if (requests.extended === undefined) return;
  for (const resource of Object.keys(requests.extended)) {
    const before = used.extended.get(resource) ?? 0;
    used.extended.set(resource, before + copies * (requests.extended[resource] ?? 0));
  }
}

export type Shortage = { readonly resource: string; readonly detail: string };

/**
 * The first resource of which too little is free; undefined when it fits. A node that does not say how
 * much disk it has takes any amount of it.
 *
 * @param keepFree This share of the node, in percent, has to stay free beside it.
 */
export function shortageOf(
  allocatable: Resources,
  used: Used,
  requests: Requests,
  keepFree = 0,
): Shortage | undefined {
  if (lacks(allocatable.cpuMilli, used.cpuMilli, requests.cpuMilli, keepFree)) {
    const free = allocatable.cpuMilli - used.cpuMilli;
    return { resource: "cpu", detail: `wants ${requests.cpuMilli}m, ${free}m are free` };
  }
  if (lacks(allocatable.memoryBytes, used.memoryBytes, requests.memoryBytes, keepFree)) {
    const free = allocatable.memoryBytes - used.memoryBytes;
    return { resource: "memory", detail: `wants ${requests.memoryBytes} bytes, ${free} are free` };
  }
  if (used.pods + 1 > allocatable.pods) {
    return { resource: "pods", detail: `${used.pods} of ${allocatable.pods} pods run there` };
  }
  const { ephemeralBytes = 0, extended } = requests;
  const disk = allocatable.storageBytes;
  if (disk !== undefined && lacks(disk, used.ephemeralBytes, ephemeralBytes, keepFree)) {
    const free = disk - used.ephemeralBytes;
    return { resource: "ephemeral-storage", detail: `wants ${ephemeralBytes} bytes, ${free} are free` };
  }
  if (extended === undefined) return undefined;
  for (const resource of Object.keys(extended).sort()) {
    const wanted = extended[resource] ?? 0;
    const free = (allocatable.extended?.[resource] ?? 0) - (used.extended.get(resource) ?? 0);
    if (wanted > 0 && wanted > free) return { resource, detail: `wants ${wanted}, ${free} are free` };
  }
  return undefined;
}

const lacks = (total: number, taken: number, wanted: number, keepFree: number): boolean =>
  wanted > 0 && 100 * (taken + wanted) > (100 - keepFree) * total;

/** Large copies are placed first, while there is a place for them: in bytes, a core counted as 4 GiB. */
export const sizeOf = ({ cpuMilli, memoryBytes }: Requests): number =>
  Math.max(memoryBytes, cpuMilli * 4_294_967);
