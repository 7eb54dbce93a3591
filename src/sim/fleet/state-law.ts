import { regionsAround } from "../../core/records/scope.ts";
import { placeTold } from "../places.ts";
import { gatherAll } from "../shard.ts";
import type { Fleet } from "./fleet.ts";

export type StateReport = {
  readonly records: number;
  readonly recordsMost: number;
  readonly bytes: number;
  readonly bytesMost: number;
};

/**
 * 8. What a node may hold of the fleet, whatever the weather was: two records for each part of the mesh and of
 * the regions around it (a summary, and what proves its author), the detail of its own site, what people wrote
 * and who left, each with a proof, and some guests.
 */
export function recordsMax(fleet: Fleet, notes: number): number {
  const { world, machinesBySite, gone } = fleet;
  const nodes = Math.ceil(world.machines.length / machinesBySite.size);
  return 2 * partsMost(fleet) + detailOfNode * nodes + 3 * (notes + gone.size) + 2 * guestsMost;
}

/** Sites and regions that a node is told of where these are most. */
function partsMost({ world }: Fleet): number {
  const places = new Map(world.machines.map(({ identity }) => [identity.site, identity]));
  const regions = new Map([...places.values()].map((place) => [place.region, place]));
  const counts = [...regions.values()].map((place) => {
    const told = new Set([...places.values()].map((other) => placeTold(place, other)));
    return told.size + regionsAround(place.region).length;
  });
  return Math.max(...counts);
}

/** Member, status, links, acks, two of floors, exclusive and heal. */
const detailOfNode = 8;
/** Nodes that it has links with outside, and idle ones that it could find a way back from. */
const guestsMost = 32;

export function stateOf(fleet: Fleet, notes: number): StateReport {
  const most = recordsMax(fleet, notes);
  const ours = [...fleet.members].filter(({ isOurs }) => isOurs);
  const held = ours.map(({ name, node }) => {
    const footprint = node?.view.footprint() ?? { records: 0, bytes: 0 };
    if (footprint.records > most)
      fleet.world.violated(`8: ${name} holds ${footprint.records} records of ${most}`);
    return footprint;
  });
  const states = gatherAll(fleet.shard, held);
  const records = states.map((state) => state.records).sort((left, right) => left - right);
  const bytes = states.map((state) => state.bytes).sort((left, right) => left - right);
  return {
    records: records[records.length >> 1] ?? 0,
    recordsMost: records.at(-1) ?? 0,
    bytes: bytes[bytes.length >> 1] ?? 0,
    bytesMost: bytes.at(-1) ?? 0,
  };
}
