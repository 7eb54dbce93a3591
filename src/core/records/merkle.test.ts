import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { fromHex, hex, utf8 } from "../kernel/bytes.ts";
import { leafHash, leavesMax, missingRanges, rangeHash, rangeKey, type Hashes } from "./merkle.ts";

/** RFC 6962, section 2.1; the vectors are those of its reference implementation (certificate-transparency). */
const vectors: readonly (readonly [leaf: string, root: string])[] = [
  ["", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
  ["00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
  ["10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"],
  ["2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
  ["3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"],
  ["40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"],
  ["5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"],
  ["606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"],
];

function leavesOf(frames: readonly Uint8Array[]): Hashes {
  return new Map(frames.map((frame, at) => [rangeKey(at, 1), leafHash(frame, nodeCrypto)] as const));
}

const rootOf = (known: Hashes, count: number): string | undefined => {
  const root = rangeHash(known, 0, count, nodeCrypto);
  return root === undefined ? undefined : hex(root);
};

/** What a receiver of only the `present` leaves is sent: those, and the hashes of what is missing. */
function partOf(frames: readonly Uint8Array[], present: readonly number[]): Hashes {
  const whole = leavesOf(frames);
  const part: Hashes = new Map();
  for (const at of present) part.set(rangeKey(at, 1), whole.get(rangeKey(at, 1)) ?? new Uint8Array(32));
  for (const { offset, size } of missingRanges(frames.length, present)) {
    part.set(
      rangeKey(offset, size),
      rangeHash(whole, offset, size, nodeCrypto) ?? assert.fail("a range without a hash"),
    );
  }
  return part;
}

const tree = fc.integer({ min: 1, max: 70 }).chain((count) =>
  fc.record({
    frames: fc.constant(Array.from({ length: count }, (_, at) => utf8(`frame ${at}`))),
    present: fc.subarray([...Array(count).keys()]),
  }),
);

test("the roots of 1 to 8 leaves are those of RFC 6962's reference implementation", () => {
  const frames = vectors.map(([leaf]) => fromHex(leaf) ?? assert.fail(leaf));
  for (const [at, [, root]] of vectors.entries()) {
    assert.equal(rootOf(leavesOf(frames.slice(0, at + 1)), at + 1), root, `${at + 1} leaves`);
  }
});

test("any subset of the leaves, with the hashes of what is missing, proves against the root", () => {
  fc.assert(
    fc.property(tree, ({ frames, present }) => {
      assert.equal(rootOf(partOf(frames, present), frames.length), rootOf(leavesOf(frames), frames.length));
    }),
  );
});

test("a changed leaf, or a changed hash of what is missing, does not prove", () => {
  fc.assert(
    fc.property(tree, fc.nat(), fc.nat(255), ({ frames, present }, which, bit) => {
      const part = partOf(frames, present);
      const [range, hash] = [...part][which % part.size] ?? assert.fail("an empty part");
      const changed = hash.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      part.set(range, changed);
      assert.notEqual(rootOf(part, frames.length), rootOf(leavesOf(frames), frames.length));
    }),
  );
});

test("two leaves that change places do not prove, and neither do the leaves of another count", () => {
  const frames = ["a", "b", "c", "d", "e"].map(utf8);
  const root = rootOf(leavesOf(frames), 5);
  assert.notEqual(rootOf(leavesOf(["b", "a", "c", "d", "e"].map(utf8)), 5), root);
  assert.notEqual(rootOf(leavesOf(frames), 4), root);
  assert.equal(rootOf(leavesOf(frames), 6), undefined);
});

test("missing ranges and present leaves cover every leaf once, and no range could be larger", () => {
  fc.assert(
    fc.property(tree, ({ frames, present }) => {
      const ranges = missingRanges(frames.length, present);
      const covered = [...present];
      for (const { offset, size } of ranges) for (let at = 0; at < size; at++) covered.push(offset + at);
      assert.deepEqual(
        covered.sort((left, right) => left - right),
        [...frames.keys()],
      );
      // Each missing range hangs on the path of a present leaf: no more than the tree's depth for each.
      const depth = Math.ceil(Math.log2(frames.length + 1));
      assert.ok(ranges.length <= Math.max(1, present.length * depth), `${ranges.length} ranges`);
    }),
  );
});

test("one present leaf of 256 takes 8 hashes; all or none take 0 and 1", () => {
  const all = [...Array(leavesMax).keys()];
  for (const at of [0, 127, 128, 255]) assert.equal(missingRanges(leavesMax, [at]).length, 8);
  assert.deepEqual(missingRanges(leavesMax, all), []);
  assert.deepEqual(missingRanges(leavesMax, []), [{ offset: 0, size: leavesMax }]);
});

test("a leaf is never taken for a node: hashes of the two begin with different prefixes", () => {
  const [left, right] = ["a", "b"].map((text) => leafHash(utf8(text), nodeCrypto));
  assert.ok(left !== undefined && right !== undefined);
  const inner = new Uint8Array([...left, ...right]);
  assert.notEqual(hex(leafHash(inner, nodeCrypto)), rootOf(leavesOf(["a", "b"].map(utf8)), 2));
});

test("ranges of a tree of 256 leaves have different keys", () => {
  const keys = new Set<number>();
  let ranges = 0;
  for (let size = 1; size <= leavesMax; size *= 2)
    for (let offset = 0; offset < leavesMax; offset++, ranges++) keys.add(rangeKey(offset, size));
  assert.equal(keys.size, ranges);
});
