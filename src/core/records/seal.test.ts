import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto, signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { hex, Writer } from "../kernel/bytes.ts";
import { leavesMax } from "./merkle.ts";
import { bodyBytesMax, extensionBytesMax, nodeIdOf, type MeshRecord } from "./record.ts";
import {
  openStored,
  sameSeal,
  sealHolds,
  sealName,
  sealRecord,
  sealTogether,
  storedBytes,
  storedBytesMax,
} from "./seal.ts";
import { parcelOf, type Author, type Line } from "./testbed.ts";

function newAuthor(): Author {
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = signerFromPem(String(privateKey.export({ format: "pem", type: "pkcs8" })));
  return { id: nodeIdOf(signer.publicKey, nodeCrypto), signer };
}

const author = newAuthor();
const stranger = newAuthor();
const none = new Uint8Array(0);
const shared = { scope: "mesh", kind: "fact" } as const;
const line = (at: number, parts: Partial<Line> = {}): Line => ({
  key: `node/${author.id}/pod/${at}`,
  version: 10 + at,
  body: new Uint8Array([123, 125]),
  extension: none,
  ...parts,
});
const parcel = (count: number, previous = 0): MeshRecord[] =>
  parcelOf(
    author,
    shared,
    Array.from({ length: count }, (_, at) => line(at)),
    previous,
    nodeCrypto,
  );

function reopened(record: MeshRecord): MeshRecord {
  const opened = openStored(storedBytes(record, nodeCrypto), nodeCrypto);
  assert.ok(opened.ok, opened.ok ? "" : JSON.stringify(opened.error));
  return opened.value;
}

const holds = (record: MeshRecord, by = author): boolean =>
  sealHolds(record, by.signer.publicKey, nodeCrypto);
const refusal = (bytes: Uint8Array): string | undefined => {
  const opened = openStored(bytes, nodeCrypto);
  return opened.ok ? undefined : opened.error.type;
};

test("any record of any parcel opens alone, with its exact bytes and a signature that holds", () => {
  const lines = fc.array(
    fc.record({
      key: fc.string({ unit: "grapheme", maxLength: 30 }),
      version: fc.nat(1_000_000),
      body: fc.uint8Array({ maxLength: 200 }),
      extension: fc.uint8Array({ maxLength: 20 }),
    }),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(
    fc.property(lines, fc.nat(2_000_000), (lines, previous) => {
      for (const record of parcelOf(author, shared, lines, previous, nodeCrypto)) {
        const read = reopened(record);
        assert.equal(hex(read.frame), hex(record.frame));
        assert.ok(holds(read));
        assert.ok(read.seal !== undefined && record.seal !== undefined && sameSeal(read.seal, record.seal));
        assert.equal(read.at, record.at);
        assert.equal(hex(storedBytes(read, nodeCrypto)), hex(storedBytes(record, nodeCrypto)));
      }
    }),
    { numRuns: 40 },
  );
});

test("flipping any one bit of stored bytes makes them unreadable, or the signature not hold", () => {
  for (const record of [...parcel(1), ...parcel(5, 4).slice(2, 3)]) {
    const stored = storedBytes(record, nodeCrypto);
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const flipped = stored.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const opened = openStored(flipped, nodeCrypto);
      assert.ok(!opened.ok || !holds(opened.value), `bit ${bit & 7} of byte ${bit >> 3}`);
    }
  }
});

test("another key's signature does not hold, nor one over the root without the prefix and the log's name", () => {
  const [record] = parcel(1);
  assert.ok(record?.seal !== undefined);
  assert.ok(!holds(reopened(record), stranger));
  const bare = author.signer.sign(record.seal.root);
  record.seal = { ...record.seal, signature: bare };
  assert.ok(!holds(reopened(record)));
});

test("a record of another scope, kind or author cannot be put under the same signature", () => {
  const [one] = parcel(1);
  assert.ok(one?.seal !== undefined);
  for (const other of [
    parcelOf(author, { ...shared, scope: "site:oslo" }, [line(0)], 0, nodeCrypto),
    parcelOf(author, { ...shared, kind: "intent" }, [line(0)], 0, nodeCrypto),
    parcelOf({ ...author, id: stranger.id }, shared, [line(0)], 0, nodeCrypto),
  ]) {
    const [moved] = other;
    assert.ok(moved !== undefined);
    moved.seal = { ...one.seal, hashes: moved.seal?.hashes ?? new Map() };
    assert.ok(!holds(reopened(moved)));
  }
});

test("the chain is signed: another `previous`, `last` or number of records does not hold", () => {
  const [record] = parcel(2, 4);
  assert.ok(record?.seal !== undefined);
  const { seal } = record;
  for (const parts of [{ previous: 3 }, { last: seal.last + 1 }]) {
    record.seal = { ...seal, ...parts };
    assert.ok(!holds(reopened(record)), JSON.stringify(parts));
  }
});

test("stored bytes that are cut short, go on, or are of another format are refused", () => {
  const [, record] = parcel(3);
  assert.ok(record !== undefined);
  const stored = storedBytes(record, nodeCrypto);
  for (let length = 0; length < stored.length; length++)
    assert.equal(refusal(stored.subarray(0, length)), "malformed", `${length} bytes`);
  assert.equal(refusal(new Writer().raw(stored).byte(0).done()), "malformed");
  for (const format of [0, 1, 3]) {
    const other = stored.slice();
    other[0] = format;
    assert.equal(refusal(other), "unknown-format");
  }
});

test("a place outside of the parcel, too large a parcel, or stamps out of order are malformed", () => {
  const [record] = parcel(1);
  assert.ok(record !== undefined);
  const stored = (at: number, count: number, previous: number, last: number): Uint8Array =>
    new Writer()
      .byte(2)
      .bytes(record.frame)
      .uint(at)
      .uint(count)
      .uint(previous)
      .uint(last)
      .raw(new Uint8Array(64))
      .done();
  assert.equal(refusal(stored(0, 1, 0, record.version)), undefined);
  assert.equal(refusal(stored(0, 0, 0, record.version)), "malformed");
  assert.equal(refusal(stored(1, 1, 0, record.version)), "malformed");
  assert.equal(refusal(stored(0, leavesMax + 1, 0, record.version)), "malformed");
  assert.equal(refusal(stored(0, 1, record.version + 1, record.version)), "malformed");
  assert.equal(refusal(stored(0, 1, 0, record.version - 1)), "malformed");
});

test("the largest record of the largest parcel fits the bound on stored bytes", () => {
  const big = { key: "k".repeat(1024), body: new Uint8Array(bodyBytesMax) };
  const lines = Array.from({ length: leavesMax }, (_, at) => line(at));
  lines[1] = line(1, { ...big, extension: new Uint8Array(extensionBytesMax) });
  const record = parcelOf(author, shared, lines, 0, nodeCrypto)[1];
  assert.ok(record !== undefined);
  assert.ok(storedBytes(record, nodeCrypto).length <= storedBytesMax);
  assert.ok(holds(reopened(record)));
});

test("a parcel has 1 to 256 records: none and 257 throw", () => {
  assert.throws(() => parcel(0), RangeError);
  assert.equal(parcel(leavesMax).length, 256);
  assert.throws(() => parcel(leavesMax + 1), RangeError);
});

test("a signature is looked at once for all records of a parcel, and a record without a seal never holds", () => {
  let looks = 0;
  const crypto = { verify: () => ++looks > 0 };
  const records = parcel(3);
  for (const record of records) if (record.seal !== undefined) record.seal.holds = undefined;
  for (const record of records) assert.ok(sealHolds(record, author.signer.publicKey, crypto));
  assert.equal(looks, 1);
  const [bare] = parcel(1);
  assert.ok(bare !== undefined);
  bare.seal = undefined;
  assert.ok(!holds(bare));
  assert.throws(() => storedBytes(bare, nodeCrypto), RangeError);
});

test("`previous` is never above the parcel's own last stamp, and a record on its own names itself", () => {
  const records = parcel(2, 1_000);
  assert.equal(records[0]?.seal?.previous, 11);
  assert.equal(records[0]?.seal.last, 11);
  const draft = { ...shared, key: "k", version: 5, body: {} };
  const alone = sealRecord(draft, author.id, author.signer, nodeCrypto);
  assert.deepEqual([alone.seal?.count, alone.seal?.previous, alone.seal?.last], [1, 5, 5]);
});

test("records of one parcel share a name; those of two have two", () => {
  const [one, two] = [parcel(2), parcel(2, 3)];
  const names = [...one, ...two].map(({ seal }) => (seal === undefined ? "" : sealName(seal)));
  assert.equal(new Set(names).size, 2);
  assert.equal(names[0], names[1]);
  sealTogether(one, 0, author.signer, nodeCrypto);
  assert.equal(one[0]?.seal, one[1]?.seal);
});
