import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { hex } from "../kernel/bytes.ts";
import { below, randomStream, shuffled } from "../kernel/random.ts";
import {
  createDecoder,
  createSketch,
  decodeSymbols,
  encodeSymbols,
  lengthMax,
  startLength,
  type Decoder,
  type EachItem,
  type Item,
  type Sketch,
  type Symbols,
} from "./sketch.ts";

const seed = fc.nat(2 ** 31 - 1);
const word = fc.oneof(fc.nat(2 ** 32 - 1), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1));
const item = fc.record({ lo: word, hi: word });
const nameOf = ({ lo, hi }: Item): string => `${lo} ${hi}`;
const items = (maxLength: number): fc.Arbitrary<Item[]> =>
  fc.uniqueArray(item, { maxLength, selector: nameOf });
const lengths = fc.constantFrom(startLength, 129, 200, 1_000);

function randomItems(seed: number, name: string, count: number): Item[] {
  const random = randomStream(seed, name);
  return Array.from({ length: count }, () => ({ lo: below(random, 2 ** 32), hi: below(random, 2 ** 32) }));
}

const each =
  (items: readonly Item[]): EachItem =>
  (visit) => {
    for (const { lo, hi } of items) visit(lo, hi);
  };

function sketchOf(items: readonly Item[], length = startLength, salt = 0): Sketch {
  const sketch = createSketch(salt);
  sketch.extend(length, each([]));
  each(items)(sketch.insert);
  return sketch;
}

const run = (symbols: Symbols, from: number, to: number): Symbols => ({
  from,
  size: symbols.size,
  words: symbols.words.slice(4 * from, 4 * to),
});

/** Feeds a decoder batch by batch until it says something else than `more`. */
function feed(decoder: Decoder, remote: Symbols, batch: number): ReturnType<Decoder["add"]> {
  let answer: ReturnType<Decoder["add"]> = "more";
  while (answer === "more" && 4 * decoder.taken() < remote.words.length) {
    answer = decoder.add(run(remote, decoder.taken(), decoder.taken() + batch));
  }
  return answer;
}

const sorted = (items: readonly Item[]): string[] => items.map(nameOf).sort();

/** A symbol of one item alone, as a set of that item would have it. */
function symbolOf(one: Item): Int32Array {
  return sketchOf([one]).snapshot().words.slice(0, 4);
}

describe("a sketch", () => {
  test("has the same symbols whatever the order of insertions and removals", () => {
    fc.assert(
      fc.property(items(60), items(20), seed, lengths, (kept, gone, seed, length) => {
        const keptNames = new Set(kept.map(nameOf));
        const passing = gone.filter((one) => !keptNames.has(nameOf(one)));
        const steps = [
          ...[...kept, ...passing].map((one) => ({ one, act: "insert" as const })),
          ...passing.map((one) => ({ one, act: "remove" as const })),
        ];
        const sketch = sketchOf([], length);
        for (const { one, act } of shuffled(randomStream(seed, "order"), steps)) sketch[act](one.lo, one.hi);
        assert.deepEqual(sketch.snapshot(), sketchOf(kept, length).snapshot());
        assert.equal(sketch.size(), kept.length);
      }),
    );
  });

  test("is as it was after an item is inserted and removed again", () => {
    fc.assert(
      fc.property(items(60), item, fc.boolean(), (kept, passing, insertsFirst) => {
        const sketch = sketchOf(kept);
        const before = sketch.snapshot();
        for (const act of insertsFirst ? (["insert", "remove"] as const) : (["remove", "insert"] as const)) {
          sketch[act](passing.lo, passing.hi);
        }
        assert.deepEqual(sketch.snapshot(), before);
      }),
    );
  });

  test("that was extended, in any steps, equals one that was long from the start", () => {
    fc.assert(
      fc.property(items(80), fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 4 }), (all, steps) => {
        const sketch = sketchOf(all);
        for (const length of steps) sketch.extend(length, each(all));
        const length = Math.max(startLength, ...steps);
        assert.equal(sketch.length(), length);
        assert.deepEqual(sketch.snapshot(), sketchOf(all, length).snapshot());
      }),
    );
  });

  test("does not extend with items other than its own, nor beyond 65,536 symbols", () => {
    const all = randomItems(1, "items", 50);
    const sketch = sketchOf(all);
    const before = sketch.snapshot();
    assert.throws(() => sketch.extend(200, each(all.slice(1))), /not the items/);
    assert.throws(() => sketch.extend(200, each([...all.slice(1), { lo: 1, hi: 2 }])), /not the items/);
    assert.throws(() => sketch.extend(lengthMax + 1, each(all)), RangeError);
    assert.deepEqual(sketch.snapshot(), before);
  });

  test("holds its snapshot still", () => {
    const sketch = sketchOf(randomItems(1, "items", 50));
    const before = sketch.snapshot();
    sketch.insert(1, 2);
    assert.notDeepEqual(sketch.snapshot(), before);
    assert.deepEqual(before, sketchOf(randomItems(1, "items", 50)).snapshot());
  });

  test("maps an item to symbol i with probability 1 / (1 + i / 2)", () => {
    const count = 50_000;
    const { words } = sketchOf(randomItems(7, "items", count), 512).snapshot();
    for (let index = 0; index < 512; index++) {
      const chance = 2 / (index + 2);
      const deviation = Math.sqrt(count * chance * (1 - chance));
      const off = Math.abs((words[4 * index + 3] ?? 0) - count * chance);
      assert.ok(off <= 4.5 * deviation, `symbol ${index} is off by ${off}, deviation ${deviation}`);
    }
  });

  test("has these bytes on every machine", () => {
    const sketch = sketchOf([
      { lo: 0x12345678, hi: 0x9abcdef0 },
      { lo: 0xffffffff, hi: 0x80000000 },
      { lo: 0, hi: 0 },
    ]);
    assert.equal(hex(encodeSymbols(sketch.snapshot(), 0, 8)), golden);
  });
});

describe("a decoder", () => {
  test("finds any difference of 0 to 2000 items between sets of up to 20,000", () => {
    const count = (max: number): fc.Arbitrary<number> =>
      fc.oneof(fc.nat(max), fc.nat(Math.min(max, 20)), fc.constant(max));
    const shape = fc.record({
      seed,
      salt: fc.constantFrom(0, 0xdeadbeef),
      shared: count(18_000),
      batch: fc.constantFrom(1, 16, 128, 8_192),
      split: fc
        .tuple(count(2_000), fc.constantFrom(0, 0.1, 0.5, 1))
        .map(([all, part]) => ({ remote: Math.round(all * part), local: all - Math.round(all * part) })),
    });
    const holds = ({
      seed,
      salt,
      shared,
      batch,
      split,
    }: typeof shape extends fc.Arbitrary<infer S> ? S : never) => {
      const common = randomItems(seed, "common", shared);
      const remoteOnly = randomItems(seed, "remote", split.remote);
      const localOnly = randomItems(seed, "local", split.local);
      const remote = sketchOf([...common, ...remoteOnly], 8_192, salt).snapshot();
      const decoder = createDecoder(sketchOf([...common, ...localOnly], 8_192, salt).snapshot(), salt);
      assert.equal(feed(decoder, remote, batch), "done");
      assert.deepEqual(sorted(decoder.onlyRemote), sorted(remoteOnly));
      assert.deepEqual(sorted(decoder.onlyLocal), sorted(localOnly));
    };
    fc.assert(fc.property(shape, holds), { numRuns: 25 });
  });

  test("needs at most 1.5 symbols per difference on average, for 100 or more differences", (t) => {
    const empty = sketchOf([], 8_192).snapshot();
    for (const differences of [1, 3, 10, 30, 100, 200, 500, 1_000, 2_000]) {
      let [sum, most] = [0, 0];
      for (let seed = 0; seed < 20; seed++) {
        const remote = sketchOf(randomItems(seed, "items", differences), 8_192).snapshot();
        const decoder = createDecoder(empty);
        // Each item found takes a symbol, so fewer symbols than differences cannot do.
        decoder.add(run(remote, 0, differences));
        if (decoder.onlyRemote.length < differences) assert.equal(feed(decoder, remote, 1), "done");
        sum += decoder.taken() / 20;
        most = Math.max(most, decoder.taken());
      }
      const [mean, worst] = [sum / differences, most / differences].map((value) => value.toFixed(2));
      t.diagnostic(`${differences} differences: ${mean} symbols each, at worst ${worst}`);
      if (differences >= 100) assert.ok(sum <= 1.5 * differences);
    }
  });

  test("asks for more when the local prefix is too short, and is done with a longer one", () => {
    const [ours, theirs] = [randomItems(1, "ours", 300), randomItems(1, "theirs", 300)];
    const local = sketchOf(ours);
    const remote = sketchOf(theirs, 2_048).snapshot();
    const short = createDecoder(local.snapshot());
    assert.equal(short.add(remote), "more");
    assert.equal(short.taken(), startLength);
    local.extend(2_048, each(ours));
    assert.equal(createDecoder(local.snapshot()).add(remote), "done");
  });

  test("calls symbols malformed that skip, repeat or come from a set that changed", () => {
    const items = randomItems(1, "items", 500);
    const local = sketchOf([], 1_024).snapshot();
    const remote = sketchOf(items, 1_024);
    const before = remote.snapshot();
    remote.insert(1, 2);
    for (const second of [run(before, 129, 1_024), run(before, 0, 128), run(remote.snapshot(), 128, 1_024)]) {
      const decoder = createDecoder(local);
      assert.equal(decoder.add(run(before, 0, 128)), "more");
      assert.equal(decoder.add(second), "malformed");
      assert.equal(decoder.add(run(before, 128, 1_024)), "malformed");
    }
  });

  test("calls symbols malformed whose size changes, or that hold more when symbol 0 is empty", () => {
    const local = sketchOf([]).snapshot();
    const remote = sketchOf(randomItems(1, "items", 3)).snapshot();
    const decoder = createDecoder(local);
    assert.equal(decoder.add(run(remote, 0, 64)), "done");
    assert.equal(decoder.add(run({ ...remote, size: 4 }, 64, 128)), "malformed");
    const lie = sketchOf([]).snapshot();
    lie.words.set([1, 2, 3, 4], 4 * 127);
    assert.equal(createDecoder(local).add(lie), "malformed");
  });

  test("calls symbols malformed that give the same item twice", () => {
    const one = { lo: 0x12345678, hi: 0x9abcdef0 };
    const words = symbolOf(one);
    for (const count of [2, 0]) {
      const lie = sketchOf([one]).snapshot();
      // Without the item, this symbol still holds it, once more or less.
      lie.words.set([0, 0, 0, count], 4 * secondIndexOf(one));
      const decoder = createDecoder(sketchOf([]).snapshot());
      assert.equal(decoder.add(lie), "malformed");
    }
    const alone = createDecoder(sketchOf([]).snapshot());
    assert.equal(alone.add({ from: 0, size: 1, words }), "done");
    assert.deepEqual(alone.onlyRemote, [one]);
  });

  test("leaves an item alone in a symbol that it does not map to", () => {
    const lies = randomItems(1, "items", 128);
    const remote = sketchOf([]).snapshot();
    remote.words.set([0, 0, 0, 1], 0);
    for (const [at, lie] of lies.slice(1).entries()) {
      if ((sketchOf([lie]).snapshot().words[4 * (at + 1) + 3] ?? 0) === 0) {
        remote.words.set(symbolOf(lie), 4 * (at + 1));
      }
    }
    const decoder = createDecoder(sketchOf([]).snapshot());
    assert.equal(decoder.add(remote), "more");
    assert.deepEqual([decoder.onlyRemote, decoder.onlyLocal], [[], []]);
  });

  test("given hostile symbols, neither throws nor loops nor finds more items than symbols", () => {
    const raw = fc.array(fc.integer(), { minLength: 4, maxLength: 4 }).map((words) => Int32Array.from(words));
    const counted = fc
      .tuple(item, fc.integer({ min: -2, max: 3 }))
      .map(([one, count]) => symbolOf(one).with(3, count));
    const small = fc.constantFrom(...randomItems(1, "few", 4)).map(symbolOf);
    const symbol = fc.oneof(raw, counted, small, fc.constant(new Int32Array(4)));
    const symbols = fc.array(symbol, { minLength: 1, maxLength: 300 });
    const bases = fc.constantFrom(0, 3, 50);
    fc.assert(
      fc.property(symbols, bases, bases, fc.constantFrom(1, 7, 300), (lies, ours, theirs, batch) => {
        const decoder = createDecoder(sketchOf(randomItems(2, "ours", ours), 256).snapshot());
        const remote = sketchOf(randomItems(2, "theirs", theirs), 300).snapshot();
        for (const [index, lie] of lies.entries())
          if (index % 3 === batch % 3) remote.words.set(lie, 4 * index);
        feed(decoder, run(remote, 0, lies.length), batch);
        assert.ok(decoder.taken() <= Math.min(256, lies.length));
        assert.ok(decoder.onlyRemote.length + decoder.onlyLocal.length <= decoder.taken());
      }),
      { numRuns: 500 },
    );
  });
});

describe("coded symbols", () => {
  test("are the same after encoding and decoding, for any run of them", () => {
    const index = fc.integer({ min: 0, max: 300 });
    fc.assert(
      fc.property(seed, fc.nat(3_000), index, index, (seed, count, from, to) => {
        const symbols = sketchOf(randomItems(seed, "items", count), 256).snapshot();
        const [start, end] = [from, Math.max(from, Math.min(to, 256))];
        assert.deepEqual(decodeSymbols(encodeSymbols(symbols, from, to)), run(symbols, start, end));
      }),
    );
  });

  test("take 13 to 14 bytes", (t) => {
    for (const [count, bytesMax] of [
      [0, 13.1],
      [100, 13.1],
      [10_000, 13.3],
    ] as const) {
      const symbols = sketchOf(randomItems(1, "items", count), 1_024).snapshot();
      for (const length of [128, 1_024]) {
        const bytes = encodeSymbols(symbols, 0, length).length / length;
        t.diagnostic(`${count} items, ${length} symbols: ${bytes.toFixed(2)} bytes a symbol`);
        assert.ok(bytes <= (length === 128 ? 13.6 : bytesMax));
      }
    }
  });

  test("are refused when cut short or followed by more", () => {
    const bytes = encodeSymbols(sketchOf(randomItems(1, "items", 1_000)).snapshot(), 0, 128);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodeSymbols(bytes.subarray(0, length)), undefined);
    }
    assert.equal(decodeSymbols(Uint8Array.of(...bytes, 0)), undefined);
    assert.notEqual(decodeSymbols(bytes), undefined);
  });

  test("are refused when a count is not one of a set: below 0, above the size, or other than it in symbol 0", () => {
    const symbols = sketchOf(randomItems(1, "items", 10)).snapshot();
    for (const [index, count] of [
      [5, -1],
      [5, 11],
      [0, 9],
    ] as const) {
      const words = symbols.words.with(4 * index + 3, count);
      assert.equal(decodeSymbols(encodeSymbols({ ...symbols, words }, 0, 128)), undefined);
    }
    const tooMany = { from: 0, size: 2 ** 30 + 1, words: new Int32Array(4).fill(2 ** 30 + 1) };
    assert.equal(decodeSymbols(encodeSymbols(tooMany, 0, 1)), undefined);
    const tooFar = { from: lengthMax, size: 1, words: new Int32Array(4) };
    assert.equal(decodeSymbols(encodeSymbols(tooFar, 0, lengthMax + 1)), undefined);
  });

  test("from arbitrary bytes are refused or within bounds, and never throw", () => {
    const header = fc.array(fc.nat(127), { minLength: 3, maxLength: 3 });
    const hostile = fc
      .tuple(header, fc.uint8Array({ maxLength: 200 }))
      .map(([start, rest]) => Uint8Array.of(...start, ...rest));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), hostile), (bytes) => {
        const symbols = decodeSymbols(bytes);
        if (symbols === undefined) return;
        assert.ok(symbols.words.length / 4 <= bytes.length / 13);
        for (let at = 3; at < symbols.words.length; at += 4) {
          const count = symbols.words[at] ?? -1;
          assert.ok(count >= 0 && count <= symbols.size);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("of a set from which more was removed than inserted are not encoded", () => {
    const sketch = sketchOf([]);
    sketch.remove(1, 2);
    assert.throws(() => encodeSymbols(sketch.snapshot(), 0, 1), RangeError);
  });
});

function secondIndexOf(one: Item): number {
  const { words } = sketchOf([one], 1_024).snapshot();
  let index = 1;
  while (words[4 * index + 3] !== 1) index++;
  return index;
}

/** Reckoned apart from this code: MurmurHash3 in general form, the mapping in exact integers. */
const golden = [
  "030008",
  "87a9cbedf0debc1abe12170a00",
  "78563412f0debc9a93a307c300",
  "0000000000000000fc2a856301",
  "87a9cbedf0debc1a4238926902",
  "00000000000000000000000001",
  "87a9cbedf0debc1a4238926902",
  "78563412f0debc9a6f8982a000",
  "78563412f0debc9a6f8982a000",
].join("");
