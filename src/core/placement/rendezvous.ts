import { hash53 } from "../kernel/hash.ts";

/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005):
 *
 *     score = -weight / ln(h),  h = hash(what, where) in (0, 1)
 *
 * in millionths, from 32-bit keys that are hashed once. The logarithm is a sum of products, which IEEE 754
 * fixes to the last bit; `Math.log` may differ from machine to machine.
 */
export const weightedScore = (what: number, where: number, weight: number): number =>
  Math.floor((weight / minusLn(plainScore(what, where))) * 1e6);

/** The hash itself, a 32-bit word: the same order where all weights are equal. */
export function plainScore(what: number, where: number): number {
  let mixed = what ^ Math.imul(where, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The key of a workload, a node or a site for the scores. */
export const rendezvousKey = (text: string): number => hash53(text) | 0;

/** `-ln((word + 1/2) / 2^32)` for a 32-bit word, to about 10 digits. */
function minusLn(word: number): number {
  const odd = 2 * word + 1;
  const exponent = odd >= 2 ** 32 ? 32 : 31 - Math.clz32(odd);
  const mantissa = odd / 2 ** exponent;
  const s = (mantissa - 1) / (mantissa + 1);
  const q = s * s;
  const series =
    1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q / 15))))));
  return (33 - exponent) * Math.LN2 - 2 * s * series;
}
