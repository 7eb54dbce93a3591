import type { JoinRefusal } from "./join-request.ts";

/** More than this apart, one of the two stamps records that the other's side would set aside. */
const clockDifferenceMaxMs = 5 * 60_000;

/**
 * Whether a newcomer's clock is too far from ours, and which of the two looks wrong.
 *
 * @param floor A moment that has certainly passed: the mesh or the invite was made then, by the
 *   enroller's clock. A clock before it is wrong; when both are after it, the evidence ends.
 */
export function clockRefusal(newcomer: number, enroller: number, floor: number): JoinRefusal | undefined {
  const difference = newcomer - enroller;
  if (Math.abs(difference) <= clockDifferenceMaxMs) return undefined;
  const both = `the newcomer's clock says ${iso(newcomer)}, the enroller's ${iso(enroller)}`;
  return { refusal: "clock", detail: `${both}; ${suspect(newcomer, enroller, floor)}` };
}

function suspect(newcomer: number, enroller: number, floor: number): string {
  const before = floor - clockDifferenceMaxMs;
  if (enroller < before)
    return `the enroller's looks wrong: it lies before ${iso(floor)}, when it made the invite`;
  if (newcomer < before)
    return `the newcomer's looks wrong: it lies before the invite was made (${iso(floor)})`;
  return "the newcomer's looks wrong, unless the whole mesh is off";
}

/** Any number of milliseconds as text; years that Date cannot write are given as they came. */
function iso(wall: number): string {
  return Math.abs(wall) <= 8.64e15 ? new Date(wall).toISOString() : `${wall} ms after 1970`;
}
