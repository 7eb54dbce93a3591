import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, hex } from "../src/core/kernel/bytes.ts";
import { isObject } from "../src/core/kernel/json.ts";
import { readIntentBody } from "../src/core/intents/body.ts";
import { decodeFrame as decodeMembership } from "../src/core/membership/frames.ts";
import { memberBody, statusBody } from "../src/core/records/bodies.ts";
import { memberKey, statusKey } from "../src/core/records/keys.ts";
import { bodyOf, isTombstone, type MeshRecord } from "../src/core/records/record.ts";
import { spoken } from "../src/core/records/protocol.ts";
import { openStored, sealHolds, storedBytes } from "../src/core/records/seal.ts";
import { emptyStore, putRecord } from "../src/core/records/store.ts";
import { decodeFrame, encodeFrame, type SyncFrame } from "../src/core/sync/frames.ts";
import { decodeSymbols } from "../src/core/sync/sketch.ts";
import { nodeCrypto } from "../src/shells/crypto-node/node-crypto.ts";
import { member, membershipFrames, root, syncFrames } from "./support/wire-samples.ts";

/** Bytes that nodes of protocol 3 sent and stored: every later version reads them (fixtures/make-wire.ts). */

type Fixture = {
  readonly protocol: number;
  readonly membership: { readonly [type: string]: string };
  readonly sync: { readonly [type: string]: string };
  readonly stored: readonly {
    readonly key: string;
    readonly author: string;
    readonly id: string;
    readonly bytes: string;
  }[];
};

const fixture = JSON.parse(
  readFileSync(new URL("fixtures/wire-v3.json", import.meta.url), "utf8"),
) as Fixture;
const bytesOf = (text: string | undefined): Uint8Array => fromHex(text ?? "") ?? assert.fail("not hex");
const keys = new Map([root, member].map(({ id, signer }) => [id, signer.publicKey] as const));

function stored(): MeshRecord[] {
  return fixture.stored.map(({ bytes }) => {
    const opened = openStored(bytesOf(bytes), nodeCrypto);
    assert.ok(opened.ok, opened.ok ? "" : opened.error.type);
    return opened.value;
  });
}

const holds = (record: MeshRecord): boolean =>
  sealHolds(record, keys.get(record.author) ?? new Uint8Array(0), nodeCrypto);
const recordsOf = (frame: SyncFrame | undefined): readonly MeshRecord[] =>
  frame?.type === "records" ? frame.records : assert.fail("no frame of records");

test("the fixture has one frame of every type that this version sends, and its protocol", () => {
  assert.equal(fixture.protocol, spoken.max);
  assert.deepEqual(
    Object.keys(fixture.sync).sort(),
    syncFrames()
      .map(({ type }) => type)
      .sort(),
  );
  assert.deepEqual(Object.keys(fixture.membership).sort(), membershipFrames.map(({ type }) => type).sort());
});

test("every membership frame of protocol 3 reads as it was meant", () => {
  for (const frame of membershipFrames)
    assert.deepEqual(decodeMembership(bytesOf(fixture.membership[frame.type])), frame);
});

test("every sync frame of protocol 3 reads as it was meant", () => {
  for (const frame of syncFrames()) {
    const read = decodeFrame(bytesOf(fixture.sync[frame.type]), nodeCrypto);
    if (frame.type !== "records") {
      assert.deepEqual(read, frame);
      continue;
    }
    assert.ok(read?.type === "records");
    assert.deepEqual(read.covers, frame.covers);
    assert.equal(read.mode, frame.mode);
    assert.deepEqual(
      read.records.map((record) => hex(record.frame)),
      frame.records.map((record) => hex(record.frame)),
    );
    assert.ok(read.records.every(holds));
  }
  const symbols = decodeFrame(bytesOf(fixture.sync["symbols"]), nodeCrypto);
  assert.ok(symbols?.type === "symbols");
  assert.equal(decodeSymbols(symbols.bytes)?.size, 40);
});

test("stored records of protocol 3 open with their ids and signatures that hold", () => {
  for (const [at, record] of stored().entries()) {
    const { key, author, id } = fixture.stored[at] ?? assert.fail("no such record");
    assert.deepEqual(
      { key: record.key, author: record.author, id: hex(record.hash.subarray(0, 16)) },
      { key, author, id },
    );
    assert.ok(holds(record), key);
  }
});

test("stored records go over the wire to another node and onto its disk byte by byte as they were", () => {
  const records = stored();
  const frame = encodeFrame({ type: "records", mode: "end", records, covers: [] }, nodeCrypto);
  const arrived = recordsOf(decodeFrame(frame, nodeCrypto));
  assert.ok(arrived.every(holds));
  const bytes = (some: readonly MeshRecord[]): string[] =>
    some.map((record) => hex(storedBytes(record, nodeCrypto))).sort();
  // Records of one parcel that came together share what they know of it; each is stored alone all the same.
  assert.deepEqual(bytes(arrived), fixture.stored.map(({ bytes }) => bytes).sort());
});

test("a node that holds them in its store passes on the same bytes, whatever came first", () => {
  const store = emptyStore();
  for (const record of stored().reverse()) putRecord(store, record);
  const held = [...store.bySlot.values()];
  const frame = encodeFrame({ type: "records", mode: "end", records: held, covers: [] }, nodeCrypto);
  const arrived = recordsOf(decodeFrame(frame, nodeCrypto));
  assert.deepEqual(
    arrived.map((record) => hex(storedBytes(record, nodeCrypto))).sort(),
    fixture.stored.map(({ bytes }) => bytes).sort(),
  );
});

test("fields that this version does not know are left out of what it reads and stay in the bytes", () => {
  const bySlot = new Map(stored().map((record) => [record.key, record] as const));
  const admitted = bySlot.get(memberKey(member.id)) ?? assert.fail("no member");
  const body = bodyOf(admitted);
  assert.ok(isObject(body) && body["fieldOfALaterVersion"] !== undefined);
  assert.equal(memberBody(body)?.name, "oslo-1");
  assert.ok(!Object.hasOwn(memberBody(body) ?? {}, "fieldOfALaterVersion"));
  const status = bodyOf(bySlot.get(statusKey(member.id)) ?? assert.fail("no status"));
  assert.equal(statusBody(status)?.tier, 2);
  const intents = [...bySlot.values()].filter(({ kind }) => kind === "intent");
  assert.equal(intents.length, 3);
  for (const record of intents) assert.equal(readIntentBody(bodyOf(record))?.writes[0]?.actor, "alice");
});

test("an extension that this version does not know is kept", () => {
  const extended = stored().filter(({ extension }) => extension.length > 0);
  assert.equal(extended.length, 2);
  for (const { extension } of extended)
    assert.equal(Buffer.from(extension).toString(), "what a later version added");
  assert.equal(stored().filter(isTombstone).length, 1);
});
