import { Reader, Writer } from "../kernel/bytes.ts";

/**
 * A set as a stream of coded symbols, of which any prefix of about 1.4 times the difference to another
 * set is enough to find that difference, whatever the size of the sets: Rateless IBLT (Yang, Gilad,
 * Alizadeh, "Practical Rateless Set Reconciliation", SIGCOMM 2024, arXiv:2402.02668, section 4).
 *
 * Items are 64-bit hashes as two 32-bit halves `lo` and `hi`; the caller gives well-mixed ones, such as
 * the first 8 bytes of a SHA-256. Item by item, a prefix of the stream is kept up to date.
 *
 * The salt keys checksums and mapping. Both ends must use the same, and a kept prefix is bound to its
 * salt: so the everyday sketch has none, and whoever can have thousands of items accepted can find a few
 * that map alike and keep a comparison from ever ending. The caller bounds the symbols it asks for; then
 * it falls back, or both ends build a fresh sketch with a salt drawn for this exchange.
 */
export type Sketch = {
  readonly salt: number;
  /** Items inserted less items removed. */
  readonly size: () => number;
  /** Coded symbols kept up to date. */
  readonly length: () => number;
  /** An item that is already present must not be inserted again: nothing here would notice. */
  readonly insert: (lo: number, hi: number) => void;
  /** The inverse of `insert`; the item must be present by the time symbols are sent. */
  readonly remove: (lo: number, hi: number) => void;
  /** Keeps `length` symbols from now on (never fewer than before); `items` visits every present item. */
  readonly extend: (length: number, items: EachItem) => void;
  /** A copy of the kept prefix, to stand still while an exchange lasts. */
  readonly snapshot: () => Symbols;
};

export type EachItem = (visit: (lo: number, hi: number) => void) => void;

/** The halves of an item, both in `[0, 2^32)`. */
export type Item = { readonly lo: number; readonly hi: number };

/** A run of coded symbols of a set with `size` items; the first one has the index `from`. */
export type Symbols = {
  readonly from: number;
  readonly size: number;
  /** Four words a symbol: the xor of `lo`, of `hi` and of the checksums of its items, and their count. */
  readonly words: Int32Array;
};

export type Decoder = {
  /**
   * Takes the remote's next symbols; those beyond the local prefix are left out. The answers:
   * - `done`: the lists below are the whole difference;
   * - `more`: not yet; when `taken` has reached the local prefix, extend it and begin again;
   * - `malformed`: no two sets give such symbols. The remote lies, or it did not send all of them from
   *   one snapshot, or (once in billions of comparisons) checksums collided; this decoder is spent.
   */
  readonly add: (remote: Symbols) => "done" | "more" | "malformed";
  /** Remote symbols taken so far: the index of the one to ask for next. */
  readonly taken: () => number;
  /** Found so far; to be believed once `done`, and even then the remote may have made them up. */
  readonly onlyRemote: readonly Item[];
  readonly onlyLocal: readonly Item[];
};

/** Symbols of a new sketch: enough for a difference of about 80. */
export const startLength = 128;
/** Symbols of one sketch at most (1 MiB): enough for a difference of about 48,000. */
export const lengthMax = 65_536;
const sizeMax = 2 ** 30;

const wordsPerSymbol = 4;
const fixedBytes = 12;

export function createSketch(salt = 0): Sketch {
  let words = new Int32Array(wordsPerSymbol * startLength);
  const indices: number[] = [];
  const length = (): number => words.length / wordsPerSymbol;
  const apply = (to: Int32Array, from: number, lo: number, hi: number, sign: 1 | -1): void => {
    const sum = checksum(lo, hi, salt);
    const found = findIndices(lo, hi, sum, from, to.length / wordsPerSymbol, indices);
    for (let at = 0; at < found; at++) toggle(to, indices[at] ?? 0, lo, hi, sum, sign);
  };
  return {
    salt,
    size: () => words[3] ?? 0,
    length,
    insert: (lo, hi) => apply(words, 0, lo, hi, 1),
    remove: (lo, hi) => apply(words, 0, lo, hi, -1),
    extend: (wanted, items) => {
      if (wanted > lengthMax) throw new RangeError(`a sketch has at most ${lengthMax} symbols`);
      const from = length();
      if (wanted <= from) return;
      const grown = new Int32Array(wordsPerSymbol * wanted);
      grown.set(words);
      const seen = new Int32Array(wordsPerSymbol);
      items((lo, hi) => {
        apply(grown, from, lo, hi, 1);
        toggle(seen, 0, lo, hi, checksum(lo, hi, salt), 1);
      });
      // Symbol 0 holds every item, so it tells whether these are the ones that were inserted.
      if (seen.some((word, at) => word !== words[at])) throw new Error("not the items of this sketch");
      words = grown;
    },
    snapshot: () => ({ from: 0, size: words[3] ?? 0, words: words.slice() }),
  };
}

/** Finds the difference between the set of `local`, a snapshot, and a remote one of the same salt. */
export function createDecoder(local: Symbols, salt = 0): Decoder {
  const lengthLocal = local.words.length / wordsPerSymbol;
  const words = local.words.map((word, at) => (at % wordsPerSymbol === 3 ? -word : word));
  const onlyRemote: Item[] = [];
  const onlyLocal: Item[] = [];
  const found = new Set<string>();
  const indices: number[] = [];
  let remoteSize: number | undefined;
  let taken = 0;
  let spent = false;

  const take = (remote: Symbols): void => {
    const end = Math.min(lengthLocal, taken + remote.words.length / wordsPerSymbol);
    for (let at = wordsPerSymbol * taken; at < wordsPerSymbol * end; at++) {
      const [ours = 0, theirs = 0] = [words[at], remote.words[at - wordsPerSymbol * taken]];
      words[at] = at % wordsPerSymbol === 3 ? ours + theirs : ours ^ theirs;
    }
    for (const { lo, hi } of onlyRemote) subtract(lo, hi, 1, taken, end);
    for (const { lo, hi } of onlyLocal) subtract(lo, hi, -1, taken, end);
    taken = end;
  };

  /** Takes an item out of the symbols `[from, to)`; leaves in `indices` which ones those were. */
  const subtract = (lo: number, hi: number, sign: 1 | -1, from: number, to: number): number => {
    const sum = checksum(lo, hi, salt);
    const count = findIndices(lo, hi, sum, from, to, indices);
    for (let at = 0; at < count; at++) toggle(words, indices[at] ?? 0, lo, hi, sum, sign === 1 ? -1 : 1);
    return count;
  };

  /** Reads off symbols that hold one item until none is left; false when sets cannot give such symbols. */
  const peel = (from: number): boolean => {
    const candidates: number[] = [];
    for (let index = from; index < taken; index++) candidates.push(index);
    for (let index = candidates.pop(); index !== undefined; index = candidates.pop()) {
      const sign = words[wordsPerSymbol * index + 3];
      if ((sign !== 1 && sign !== -1) || !holdsOne(index)) continue;
      const item = {
        lo: (words[wordsPerSymbol * index] ?? 0) >>> 0,
        hi: (words[wordsPerSymbol * index + 1] ?? 0) >>> 0,
      };
      const name = `${item.lo} ${item.hi}`;
      // Each item found empties for good the symbol it was found in, so there are no more than symbols.
      if (found.has(name) || found.size === taken) return false;
      found.add(name);
      (sign === 1 ? onlyRemote : onlyLocal).push(item);
      const count = subtract(item.lo, item.hi, sign, 0, taken);
      for (let at = 0; at < count; at++) candidates.push(indices[at] ?? 0);
    }
    return true;
  };

  /** An item in a symbol that it does not map to is a chance collision of checksums, or a lie: no item. */
  const holdsOne = (index: number): boolean => {
    const at = wordsPerSymbol * index;
    const [lo = 0, hi = 0, sum = 0] = [words[at], words[at + 1], words[at + 2]];
    return sum === checksum(lo, hi, salt) && findIndices(lo, hi, sum, index, index + 1, indices) === 1;
  };

  const isEmpty = (from: number, to: number): boolean => {
    for (let at = wordsPerSymbol * from; at < wordsPerSymbol * to; at++) if (words[at] !== 0) return false;
    return true;
  };

  return {
    add: (remote) => {
      remoteSize ??= remote.size;
      spent ||= remote.from !== taken || remote.size !== remoteSize;
      if (spent) return "malformed";
      const from = taken;
      take(remote);
      spent = !peel(from);
      if (spent) return "malformed";
      // Every item is in symbol 0: while that holds something, the difference does; after that, none may.
      if (taken === 0 || !isEmpty(0, 1)) return "more";
      spent = !isEmpty(1, taken);
      return spent ? "malformed" : "done";
    },
    taken: () => taken,
    onlyRemote,
    onlyLocal,
  };
}

/**
 * The symbols `[from, to)` of a run, as far as it has them: 13 to 14 bytes each. Counts travel as their
 * distance from what the set's size lets expect, which is small.
 */
export function encodeSymbols({ from: start, size, words }: Symbols, from: number, to: number): Uint8Array {
  if (size < 0) throw new RangeError("more items were removed than inserted");
  const first = Math.max(start, from);
  const end = Math.max(first, Math.min(to, start + words.length / wordsPerSymbol));
  const writer = new Writer()
    .uint(size)
    .uint(first)
    .uint(end - first);
  for (let index = first; index < end; index++) {
    const at = wordsPerSymbol * (index - start);
    for (let word = at; word < at + 3; word++) putWord(writer, words[word] ?? 0);
    const beyond = (words[at + 3] ?? 0) - expectedCount(size, index);
    writer.uint(beyond < 0 ? -2 * beyond - 1 : 2 * beyond);
  }
  return writer.done();
}

/** Undefined for anything that is not exactly one run of symbols that some set may have. */
export function decodeSymbols(bytes: Uint8Array): Symbols | undefined {
  const reader = new Reader(bytes);
  const [size, from, count] = [reader.uint(), reader.uint(), reader.uint()];
  if (size > sizeMax || from + count > lengthMax) return undefined;
  // Before memory is taken: do as many symbols fit into what came?
  if (count * (fixedBytes + 1) > bytes.length - reader.at) return undefined;
  const words = new Int32Array(wordsPerSymbol * count);
  for (let at = 0; at < words.length; at += wordsPerSymbol) {
    for (let word = at; word < at + 3; word++) words[word] = readWord(reader);
    const zigzag = reader.uint();
    const beyond = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    const held = expectedCount(size, from + at / wordsPerSymbol) + beyond;
    if (held < 0 || held > size) return undefined;
    words[at + 3] = held;
  }
  if (from === 0 && count > 0 && words[3] !== size) return undefined;
  return reader.failed || !reader.done ? undefined : { from, size, words };
}

/**
 * Fills `into` with the indices in `[from, to)` of the symbols that an item maps to, ascending, and
 * returns how many these are: 0 always, any other `i` with probability `1 / (1 + i / 2)`.
 *
 * From `i`, the next index is beyond `n` with probability `(i+1)(i+2) / ((n+1)(n+2))`, the product of
 * `1 - 1 / (1 + j / 2)` over the skipped `j`. Inverting that for a uniform `u` in `(0, 1]`:
 *
 *     next = floor(sqrt((i+1)(i+2) / u + 1/4) - 1/2)
 *
 * The paper's authors approximate it by `i + ceil((i + 1.5) (1 / sqrt(u) - 1))`; this costs the same.
 * IEEE 754 rounds `/` and `sqrt` correctly, so that every machine finds the same indices. `u` comes from
 * xoroshiro64** (Blackman, Vigna), seeded with the item and its checksum; the next index is larger even
 * where that is stuck at 0.
 */
function findIndices(lo: number, hi: number, sum: number, from: number, to: number, into: number[]): number {
  let s0 = lo ^ sum;
  let s1 = hi | 0;
  let count = 0;
  for (let index = 0; index < to;) {
    if (index >= from) into[count++] = index;
    const draw = Math.imul(rotate(Math.imul(s0, 0x9e3779bb), 5), 5) >>> 0;
    s1 ^= s0;
    s0 = rotate(s0, 26) ^ s1 ^ (s1 << 9);
    s1 = rotate(s1, 13);
    const u = (draw + 1) / 2 ** 32;
    index = Math.floor(Math.sqrt(((index + 1) * (index + 2)) / u + 0.25) - 0.5);
  }
  return count;
}

/** MurmurHash3_x86_32 (Austin Appleby, public domain) of an item's 8 bytes, with the salt as its seed. */
function checksum(lo: number, hi: number, salt: number): number {
  let hash = salt ^ Math.imul(rotate(Math.imul(lo, 0xcc9e2d51), 15), 0x1b873593);
  hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) | 0;
  hash ^= Math.imul(rotate(Math.imul(hi, 0xcc9e2d51), 15), 0x1b873593);
  hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) ^ 8;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Adds an item to a symbol, or takes it out of one. */
function toggle(words: Int32Array, index: number, lo: number, hi: number, sum: number, sign: 1 | -1): void {
  const at = wordsPerSymbol * index;
  words[at] = (words[at] ?? 0) ^ lo;
  words[at + 1] = (words[at + 1] ?? 0) ^ hi;
  words[at + 2] = (words[at + 2] ?? 0) ^ sum;
  words[at + 3] = (words[at + 3] ?? 0) + sign;
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** How many of `size` items map to a symbol, on average. */
const expectedCount = (size: number, index: number): number => Math.round((2 * size) / (index + 2));

function putWord(writer: Writer, word: number): void {
  for (let shift = 0; shift < 32; shift += 8) writer.byte((word >>> shift) & 0xff);
}

function readWord(reader: Reader): number {
  let word = 0;
  for (let shift = 0; shift < 32; shift += 8) word |= reader.byte() << shift;
  return word;
}
