import { writeSync } from "node:fs";
import type { FleetShape } from "../../src/sim/fleet/layout.ts";

/** What the fleets of the benches have in common, and what the process that runs one says of itself. */

export const nodesPerSite = 5;
export const sitesPerRegion = 50;

/** Regions consist of districts of 10 sites, and stand in areas of 7; with STARLIGHT_FLEET_REGIONS=flat of sites, and in none. */
export const shapeOf = (nodes: number): FleetShape => ({
  nodes,
  nodesPerSite,
  sitesPerRegion,
  nested: process.env["STARLIGHT_FLEET_REGIONS"] !== "flat",
});

/** Used until now, of all cores together. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export const memoryBytes = (): number => process.memoryUsage().rss;
export const memoryBytesMost = (): number => process.resourceUsage().maxRSS * 1024;

/** Of all threads of a fleet together: one that needs more memory ends. */
export const heapMb = 7_200;

const standardError = 2;

/** Progress, to standard error, at once: a thread that simulates gives way to nothing else. */
export function sayProgress(fleet: string, what: string): void {
  writeSync(standardError, `${fleet} nodes ${what}\n`);
}

/** What the network has carried and the process has taken until now. */
export const soFar = (frames: number): string =>
  `${frames} frames, ${Math.round(memoryBytes() / 1e6)} MB, ${Math.round(processorSeconds())} s of processor`;
