import type { Fleet } from "./fleet.ts";

export type StateReport = {
  readonly records: number;
  readonly recordsMost: number;
  readonly bytes: number;
  readonly bytesMost: number;
};

/**
 * 8. What a node may hold of the fleet, whatever the weather was: two records for each site of its region
 * and each region (a summary, and what proves its author), the detail of its own site, what people wrote
 * and who left, each with a proof, and some guests.
 */
export function recordsMax(fleet: Fleet, notes: number): number {
  const { world, machinesBySite, regionNames, gone } = fleet;
  const sites = Math.ceil(machinesBySite.size / regionNames.length);
  const nodes = Math.ceil(world.machines.length / machinesBySite.size);
  return 2 * (sites + regionNames.length) + detailOfNode * nodes + 3 * (notes + gone.size) + 2 * guestsMost;
}

/** Member, status, links, acks, two of floors, exclusive and heal. */
const detailOfNode = 8;
/** Nodes that it has links with outside, and idle ones that it could find a way back from. */
const guestsMost = 32;

export function stateOf(fleet: Fleet, notes: number): StateReport {
  const most = recordsMax(fleet, notes);
  const states = [...fleet.members].map((machine) => ({
    machine,
    ...(machine.node?.view.footprint() ?? { records: 0, bytes: 0 }),
  }));
  for (const { machine, records } of states)
    if (records > most) fleet.world.violated(`8: ${machine.name} holds ${records} records of ${most}`);
  const records = states.map((state) => state.records).sort((left, right) => left - right);
  const bytes = states.map((state) => state.bytes).sort((left, right) => left - right);
  return {
    records: records[records.length >> 1] ?? 0,
    recordsMost: records.at(-1) ?? 0,
    bytes: bytes[bytes.length >> 1] ?? 0,
    bytesMost: bytes.at(-1) ?? 0,
  };
}
