import { wallOf } from "../kernel/hybrid-clock.ts";
import type { WallTime } from "../kernel/time.ts";
import type { Moment } from "../placement/contract.ts";
import type { NodeId } from "../records/record.ts";
import { lastHeard, type Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * Who was not heard of for so long that nobody waits for it. What is forgotten then is forgotten for good, so no
 * clock decides that, ours or that of others who boot with us: to one that is years ahead everybody would be long
 * gone. It takes as long as we count it.
 */

/** At boot it is later than the newest word that our disk has of others; that of our own admission is one. */
export function rememberTime(state: NodeState, { now }: Moment): void {
  const { index, identity } = state;
  let wall: WallTime = index.memberById.get(identity.id)?.body.joinedAt ?? 0;
  for (const id of index.memberById.keys()) if (id !== identity.id) wall = Math.max(wall, heardAt(index, id));
  for (const { author, version } of [...index.siteSummaries.values(), ...index.regionSummaries.values()]) {
    if (author !== identity.id) wall = Math.max(wall, wallOf(version));
  }
  state.timeTold = { wall, now };
}

/** Our wall time as far as we counted it ourselves since we booted. */
export function reckonedWall({ timeTold }: NodeState, { now, wall }: Moment): WallTime {
  return Math.min(wall, timeTold.wall + now - timeTold.now);
}

/** @param wall As reckoned, in ms since 1970. */
export function isAbsent({ index, identity, config }: NodeState, id: NodeId, wall: WallTime): boolean {
  return id !== identity.id && wall - heardAt(index, id) > config.absentLong;
}

const heardAt = (index: Index, id: NodeId): WallTime =>
  Math.max(wallOf(lastHeard(index, id)), index.memberById.get(id)?.body.joinedAt ?? 0);
