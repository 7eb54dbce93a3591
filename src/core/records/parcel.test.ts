import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto, signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { hex, Reader, Writer } from "../kernel/bytes.ts";
import { readParcels, writeParcels } from "./parcel.ts";
import { nodeIdOf, type MeshRecord, type RecordKind } from "./record.ts";
import type { Scope } from "./scope.ts";
import { sameSeal, sealHolds, storedBytes } from "./seal.ts";
import { parcelOf, type Author, type Line } from "./testbed.ts";

const authors = Array.from({ length: 3 }, (): Author => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = signerFromPem(String(privateKey.export({ format: "pem", type: "pkcs8" })));
  return { id: nodeIdOf(signer.publicKey, nodeCrypto), signer };
});
const keyById = new Map(authors.map(({ id, signer }) => [id, signer.publicKey] as const));

const line: fc.Arbitrary<Line> = fc.record({
  key: fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.nat(99).map((number) => `node/x/pod/${number}`),
    fc.nat(99).map((number) => `é😀${String.fromCodePoint(0x1f600 + number)}`),
  ),
  version: fc.nat(1_000_000),
  body: fc.uint8Array({ maxLength: 200 }),
  extension: fc.oneof(
    { weight: 3, arbitrary: fc.constant(new Uint8Array(0)) },
    fc.uint8Array({ maxLength: 9 }),
  ),
});
/** Some of the records of one parcel. */
const part: fc.Arbitrary<MeshRecord[]> = fc
  .record({
    by: fc.nat(2),
    scope: fc.constantFrom<Scope>("mesh", "site:oslo", "region:north"),
    kind: fc.constantFrom<RecordKind>("roster", "intent", "fact"),
    lines: fc.array(line, { minLength: 1, maxLength: 12 }),
    previous: fc.nat(1_000_000),
    keep: fc.infiniteStream(fc.boolean()),
  })
  .map(({ by, scope, kind, lines, previous, keep }) => {
    const author = authors[by] ?? assert.fail("no such author");
    const records = parcelOf(author, { scope, kind }, lines, previous, nodeCrypto);
    const kept = records.filter(() => keep.next().value === true);
    return kept.length > 0 ? kept : records.slice(-1);
  });
const mix = fc
  .tuple(fc.array(part, { maxLength: 6 }), fc.infiniteStream(fc.nat(1_000)))
  .map(([parts, keys]) =>
    parts
      .flat()
      .map((record) => ({ record, key: keys.next().value ?? 0 }))
      .sort((left, right) => left.key - right.key)
      .map(({ record }) => record),
  );

const written = (records: readonly MeshRecord[]): Uint8Array => {
  const writer = new Writer();
  writeParcels(writer, records, nodeCrypto);
  return writer.done();
};

/** Undefined when the bytes are not parcels and nothing else. */
function read(bytes: Uint8Array): MeshRecord[] | undefined {
  const reader = new Reader(bytes);
  const records = readParcels(reader, nodeCrypto);
  return reader.failed || !reader.done ? undefined : records;
}

const accepted = (records: readonly MeshRecord[] = []): MeshRecord[] =>
  records.filter((record) => {
    const key = keyById.get(record.author);
    return key !== undefined && sealHolds(record, key, nodeCrypto);
  });
const framesOf = (records: readonly MeshRecord[]): string[] => records.map(({ frame }) => hex(frame)).sort();

test("any mix of records of several authors, scopes and parcels comes back with its exact frames and seals", () => {
  fc.assert(
    fc.property(mix, (records) => {
      const back = read(written(records));
      assert.ok(back !== undefined);
      assert.deepEqual(framesOf(back), framesOf(records));
      assert.equal(accepted(back).length, records.length);
      const byFrame = new Map(
        records.map((record) => [`${hex(record.frame)} ${record.at}`, record] as const),
      );
      for (const record of back) {
        const sent = byFrame.get(`${hex(record.frame)} ${record.at}`);
        assert.ok(sent?.seal !== undefined && record.seal !== undefined);
      }
      const sealsOf = (some: readonly MeshRecord[]): number => new Set(some.map(({ seal }) => seal)).size;
      assert.equal(sealsOf(back), sealsOf(records));
    }),
    { numRuns: 60 },
  );
});

test("what came in part goes on in any smaller part, and is stored with the same bytes", () => {
  fc.assert(
    fc.property(part, fc.infiniteStream(fc.boolean()), (records, keep) => {
      const back = read(written(records)) ?? assert.fail("unreadable");
      const fewer = back.filter(() => keep.next().value === true);
      const further = read(written(fewer)) ?? assert.fail("unreadable");
      assert.deepEqual(framesOf(accepted(further)), framesOf(fewer));
      for (const [at, record] of further.entries()) {
        const sent = fewer[at];
        assert.ok(sent?.seal !== undefined && record.seal !== undefined && sameSeal(sent.seal, record.seal));
        assert.equal(hex(storedBytes(record, nodeCrypto)), hex(storedBytes(sent, nodeCrypto)));
      }
    }),
    { numRuns: 40 },
  );
});

test("a flipped bit gives nothing, a signature that does not hold, or records that were sent; never another", () => {
  fc.assert(
    fc.property(mix, fc.array(fc.nat(), { minLength: 20, maxLength: 20 }), (records, places) => {
      const bytes = written(records);
      const sent = new Set(framesOf(records));
      for (const place of places) {
        const flipped = bytes.slice();
        const at = place % bytes.length;
        flipped[at] = (flipped[at] ?? 0) ^ (1 << ((place >> 8) & 7));
        for (const record of accepted(read(flipped))) assert.ok(sent.has(hex(record.frame)), `byte ${at}`);
      }
    }),
    { numRuns: 40 },
  );
});

test("every single bit of a frame of two parcels, flipped, gives no record that was not sent", () => {
  const records = [0, 1].flatMap((by) =>
    parcelOf(
      authors[by] ?? assert.fail("no such author"),
      { scope: "mesh", kind: "fact" },
      [1, 2, 3].map((at) => ({
        key: `node/x/pod/${at}`,
        version: at,
        body: new Uint8Array([123, 125]),
        extension: new Uint8Array(0),
      })),
      0,
      nodeCrypto,
    ).slice(1),
  );
  const bytes = written(records);
  const sent = new Set(framesOf(records));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    for (const record of accepted(read(flipped))) assert.ok(sent.has(hex(record.frame)), `bit ${bit}`);
  }
});

test("bytes that are cut short, go on, or are noise are no parcels, and nothing throws", () => {
  fc.assert(
    fc.property(mix, fc.nat(), fc.uint8Array({ maxLength: 200 }), (records, cut, noise) => {
      const bytes = written(records);
      assert.equal(read(bytes.subarray(0, cut % bytes.length)), undefined);
      assert.equal(read(new Writer().raw(bytes).byte(0).done()), undefined);
      assert.deepEqual(accepted(read(noise)), []);
    }),
    { numRuns: 60 },
  );
});

test("a parcel of 0 records, one that sends none of its records, and a huge number of parcels are refused", () => {
  const head = (): Writer => new Writer().uint(1).text("mesh").uint(1).raw(new Uint8Array(10));
  const seal = new Uint8Array(32 + 64);
  const empty = (count: number): Uint8Array =>
    head().uint(1).uint(0).uint(0).byte(2).uint(count).uint(5).uint(0).uint(0).raw(seal).done();
  for (const count of [0, 1, 4]) assert.equal(read(empty(count)), undefined, `${count} records`);
  assert.equal(read(head().uint(Number.MAX_SAFE_INTEGER).done()), undefined);
  assert.deepEqual(read(head().uint(0).done()), []);
});

test("250 records that share their scope, author and keys' beginnings take fewer bytes than their frames", () => {
  const lines = Array.from({ length: 250 }, (_, at) => ({
    key: `intent/apps/Deployment/shop/web-${at}/apply:kubectl`,
    version: 1_000 + at,
    body: new Uint8Array(10),
    extension: new Uint8Array(0),
  }));
  const [author] = authors;
  assert.ok(author !== undefined);
  const records = parcelOf(author, { scope: "mesh", kind: "intent" }, lines, 0, nodeCrypto);
  const frames = records.reduce((sum, { frame }) => sum + frame.length, 0);
  assert.ok(written(records).length < frames / 2.5, `${written(records).length} of ${frames}`);
});

test("a record without a seal cannot be sent", () => {
  const [author] = authors;
  assert.ok(author !== undefined);
  const one = { key: "k", version: 1, body: new Uint8Array(0), extension: new Uint8Array(0) };
  const [record] = parcelOf(author, { scope: "mesh", kind: "fact" }, [one], 0, nodeCrypto);
  assert.ok(record !== undefined);
  record.seal = undefined;
  assert.throws(() => written([record]), RangeError);
});
