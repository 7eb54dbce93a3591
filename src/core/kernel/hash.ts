/**
 * A fast, well-mixed hash of a string into an integer in `[0, 2^53)`. Not cryptographic: it decides
 * rendezvous ranks and short names, never trust.
 *
 * Two 32-bit lanes of MurmurHash3 mixing (Austin Appleby, public domain constants).
 */
export function hash53(text: string, seed = 0): number {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 0x85ebca6b);
    low = Math.imul(low ^ unit, 0xc2b2ae35);
    high = (high << 13) | (high >>> 19);
    low = (low << 17) | (low >>> 15);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}

const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/** A short name-safe digest, in the consonant alphabet that Kubernetes uses for generated names. */
export function shortName(text: string, length: number): string {
  let value = hash53(text);
  let name = "";
  for (let at = 0; at < length; at++) {
    name += alphabet[value % alphabet.length] ?? "";
    value = Math.floor(value / alphabet.length);
  }
  return name;
}
