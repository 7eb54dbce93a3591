import type { Crypto } from "../kernel/crypto.ts";

/**
 * Merkle trees as in RFC 6962, section 2.1: leaves and nodes are hashed with different prefixes, a tree of
 * n leaves is split at the largest power of two below n. A subtree is a range of leaves.
 */

export const leavesMax = 256;
export const hashBytes = 32;

/** Hashes of subtrees by `rangeKey`. */
export type Hashes = Map<number, Uint8Array>;

export const rangeKey = (offset: number, size: number): number => offset * 2 * leavesMax + size;

/** What is hashed of a leaf begins with this byte, what is hashed of two ranges with another. */
export const leafPrefix = 0;
const rangePrefix = 1;

export function leafHash(frame: Uint8Array, crypto: Pick<Crypto, "sha256">): Uint8Array {
  const bytes = new Uint8Array(frame.length + 1);
  bytes[0] = leafPrefix;
  bytes.set(frame, 1);
  return crypto.sha256(bytes);
}

/** Hashes of ranges from this size on are kept: without them each record of a parcel would cost its whole tree. */
const keptFrom = 8;

/** The hash of a range, from what is known of it; undefined when that does not suffice. */
export function rangeHash(
  known: Hashes,
  offset: number,
  size: number,
  crypto: Pick<Crypto, "sha256">,
): Uint8Array | undefined {
  const held = known.get(rangeKey(offset, size));
  if (held !== undefined || size <= 1) return held;
  const split = splitOf(size);
  const left = rangeHash(known, offset, split, crypto);
  const right = left === undefined ? undefined : rangeHash(known, offset + split, size - split, crypto);
  if (left === undefined || right === undefined) return undefined;
  const bytes = new Uint8Array(1 + 2 * hashBytes);
  bytes[0] = rangePrefix;
  bytes.set(left, 1);
  bytes.set(right, 1 + hashBytes);
  const hash = crypto.sha256(bytes);
  if (size >= keptFrom) known.set(rangeKey(offset, size), hash);
  return hash;
}

/**
 * The largest ranges without any of the present leaves: with their hashes, and those of the present
 * leaves, the root can be computed.
 *
 * @param present Leaf numbers in ascending order.
 */
export function missingRanges(count: number, present: readonly number[]): { offset: number; size: number }[] {
  const ranges: { offset: number; size: number }[] = [];
  let at = 0;
  const visit = (offset: number, size: number): void => {
    while (at < present.length && (present[at] ?? 0) < offset) at++;
    const inside = at < present.length && (present[at] ?? 0) < offset + size;
    if (!inside) ranges.push({ offset, size });
    else if (size > 1) {
      const split = splitOf(size);
      visit(offset, split);
      visit(offset + split, size - split);
    }
  };
  visit(0, count);
  return ranges;
}

function splitOf(size: number): number {
  let split = 1;
  while (2 * split < size) split *= 2;
  return split;
}
