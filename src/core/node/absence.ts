import { wallOf } from "../kernel/hybrid-clock.ts";
import type { WallTime } from "../kernel/time.ts";
import type { Moment } from "../placement/contract.ts";
import type { NodeId } from "../records/record.ts";
import { lastHeard, type Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * Who was not heard of for so long that nobody waits for it. What is forgotten then is forgotten for good, so
 * our own clock alone does not decide: to one that boots years ahead everybody would be long gone.
 */

/** The newest word that our own disk has of anybody else: it is later than that. */
export function rememberTime(state: NodeState, { now }: Moment): void {
  const { index, identity } = state;
  let wall: WallTime = 0;
  for (const id of index.memberById.keys()) if (id !== identity.id) wall = Math.max(wall, heardAt(index, id));
  for (const { author, version } of [...index.siteSummaries.values(), ...index.regionSummaries.values()]) {
    if (author !== identity.id) wall = Math.max(wall, wallOf(version));
  }
  state.timeTold = { wall, now };
}

/** Takes our clock, as it is corrected, for right when a linked peer's agrees with it. */
export function noteTime(state: NodeState, { now, wall }: Moment): void {
  const { clocks, config } = state;
  const agrees = (ahead: number): boolean => Math.abs(ahead - clocks.correction) <= config.driftMax;
  if ([...clocks.aheadByPeer.values()].some(agrees)) state.timeTold = { wall, now };
}

/** Our wall time as far as others bear it out: what was told last, and what we counted ourselves since. */
export function reckonedWall({ timeTold }: NodeState, { now, wall }: Moment): WallTime {
  return Math.min(wall, timeTold.wall + now - timeTold.now);
}

/** @param wall As reckoned, in ms since 1970. */
export function isAbsent({ index, identity, config }: NodeState, id: NodeId, wall: WallTime): boolean {
  return id !== identity.id && wall - heardAt(index, id) > config.absentLong;
}

const heardAt = (index: Index, id: NodeId): WallTime =>
  Math.max(wallOf(lastHeard(index, id)), index.memberById.get(id)?.body.joinedAt ?? 0);
