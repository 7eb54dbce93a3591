import type { LinkId } from "../membership/contract.ts";
import type { Turn } from "./turn.ts";
import { countSent } from "./uplink.ts";

/** A frame's first byte names the machine it is for. */
export const membershipChannel = 0;
export const syncChannel = 1;
/** Who somebody is that is not on the roster: see strangers.ts. */
export const introductionChannel = 2;
export const leaseChannel = 3;

export function send(turn: Turn, link: LinkId, channel: number, payload: Uint8Array): void {
  const bytes = onChannel(channel, payload);
  countSent(turn, link, bytes.length);
  turn.out.push({ type: "send", link, bytes });
}

export function onChannel(channel: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(payload.length + 1);
  bytes[0] = channel;
  bytes.set(payload, 1);
  return bytes;
}
