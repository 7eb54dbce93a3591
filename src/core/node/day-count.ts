import { Reader, Writer } from "../kernel/bytes.ts";
import type { Turn } from "./turn.ts";

/**
 * What left on the uplink today, on our own disk: a restart does not spend the day's allowance again. A
 * crash forgets at most the share that had not been noted.
 */

export const dayCountSlot = "meta/uplink-day";
const format = 0x44;
const notedShare = 1 / 200;

export function noteDayIfDue({ state, out }: Turn): void {
  const { uplink, config } = state;
  const since = uplink.day === uplink.noted.day ? uplink.bytes - uplink.noted.bytes : uplink.bytes;
  if (config.uplinkBytesPerDay === 0 || since < notedShare * config.uplinkBytesPerDay) return;
  uplink.noted = { day: uplink.day, bytes: uplink.bytes };
  const ticket = state.nextTicket++;
  out.push({ type: "persist", ticket, puts: [{ slot: dayCountSlot, bytes: dayCount(uplink.noted) }] });
}

export const dayCount = ({ day, bytes }: { readonly day: number; readonly bytes: number }): Uint8Array =>
  new Writer().byte(format).uint(day).uint(bytes).done();

export const isDayCount = (bytes: Uint8Array): boolean => bytes[0] === format;

/** Takes in a stored count; false when the bytes are something else. One that cannot be read counts nothing. */
export function readDayCount({ state: { uplink } }: Turn, stored: Uint8Array): boolean {
  if (!isDayCount(stored)) return false;
  const reader = new Reader(stored.subarray(1));
  const [day, bytes] = [reader.uint(), reader.uint()];
  if (!reader.failed) Object.assign(uplink, { day, bytes, noted: { day, bytes } });
  return true;
}
