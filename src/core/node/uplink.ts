import { linkClassOf, paceOf, type LinkClass } from "../records/link-class.ts";
import type { NodeId } from "../records/record.ts";
import { factsOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { memberOf } from "./trust-view.ts";
import type { Turn } from "./turn.ts";

/**
 * What links to other sites may cost. The class of an uplink is declared; a day's allowance that is almost
 * used up makes it one of the dearest.
 */
export type Uplink = {
  /** The day (UTC) that is counted, in days since 1970, and the bytes of frames sent on it to other sites. */
  day: number;
  bytes: number;
};

const dayMs = 86_400_000;
/** From this share of the allowance on, the link is treated as the dearest. */
const saveFrom = 0.8;

export function countSent({ state, env }: Turn, link: number, bytes: number): void {
  const peer = state.peerByLink.get(link);
  if (peer === undefined || memberOf(state, peer)?.site === state.identity.site) return;
  const { uplink } = state;
  const day = Math.floor(env.wall / dayMs);
  if (day !== uplink.day) {
    uplink.day = day;
    uplink.bytes = 0;
  }
  uplink.bytes += bytes;
}

export function linkClassTo(state: NodeState, peer: NodeId): LinkClass {
  const member = memberOf(state, peer);
  const status = factsOf(state.index, peer)?.status?.body ?? state.levels.guests.get(peer)?.status?.body;
  const theirs = status?.uplink ?? "lan";
  return linkClassOf(member?.site === state.identity.site, ownClass(state), theirs);
}

export const paceTo = (state: NodeState, peer: NodeId): number => paceOf[linkClassTo(state, peer)];

function ownClass({ config, uplink }: NodeState): LinkClass {
  const { uplinkBytesPerDay } = config;
  const saves = uplinkBytesPerDay > 0 && uplink.bytes >= saveFrom * uplinkBytesPerDay;
  return saves ? "satellite" : config.uplink;
}
