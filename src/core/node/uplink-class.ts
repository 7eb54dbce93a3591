import type { Instant } from "../kernel/time.ts";
import { worseOf, type LinkClass } from "../records/link-class.ts";
import type { NodeState } from "./state.ts";

/**
 * Which class our uplink counts as. The kernel or the operator says it; long round trips and a spent
 * allowance make it worse, never better: whoever pays for a link has declared how much it may carry.
 */

/** From this share of the day's allowance on, the uplink is treated as the dearest. */
const saveFrom = 0.8;
/** No path on the ground takes so long there and back; a geostationary satellite takes 480 ms or more. */
const farFrom = 400;
const nearBelow = 300;
/** A congested hour is no satellite: so long it must last, and be over. */
const lookEvery = 1_000;
const farFor = 60_000;
const nearFor = 600_000;

/** Whether our uplink is far away, since when the round trips say otherwise, and when to look again. */
export type RoundTrips = { far: boolean; otherwiseSince: Instant | undefined; lookAt: Instant };

export function declaredClass({ config, status }: NodeState): LinkClass {
  return status?.uplink ?? config.uplink;
}

export function ownClass(state: NodeState): LinkClass {
  const { config, uplink } = state;
  const { uplinkBytesPerDay } = config;
  const saves = uplinkBytesPerDay > 0 && uplink.bytes >= saveFrom * uplinkBytesPerDay;
  return saves || uplink.roundTrips.far ? worseOf("satellite", declaredClass(state)) : declaredClass(state);
}

/**
 * Judges the uplink by its best round trip to another site: one near peer proves that what is far is not
 * our uplink but the other end's.
 */
export function judgeRoundTrips(state: NodeState, now: Instant): void {
  const { roundTrips, linkById } = state.uplink;
  if (now < roundTrips.lookAt) return;
  roundTrips.lookAt = now + lookEvery;
  let best = Number.POSITIVE_INFINITY;
  let measuredAt = Number.NEGATIVE_INFINITY;
  for (const { peer } of linkById.values()) {
    const { roundTrip = Number.POSITIVE_INFINITY, answeredFrom } = state.membership.roundTrip(peer) ?? {};
    if (roundTrip < best) [best, measuredAt] = [roundTrip, answeredFrom ?? measuredAt];
  }
  // Without a link, or before it was measured, nothing is known, and nothing changes.
  const otherwise = roundTrips.far ? best < nearBelow : best >= farFrom && Number.isFinite(best);
  if (!otherwise) {
    roundTrips.otherwiseSince = undefined;
    return;
  }
  roundTrips.otherwiseSince ??= now;
  if (now - roundTrips.otherwiseSince < (roundTrips.far ? nearFor : farFor)) return;
  // What was measured once, as an outage ended, is measured again minutes later: until then it proves nothing.
  if (!roundTrips.far && measuredAt < roundTrips.otherwiseSince + farFor) return;
  roundTrips.far = !roundTrips.far;
  roundTrips.otherwiseSince = undefined;
}
