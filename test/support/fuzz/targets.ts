import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { decodeInvite, encodeInvite, type Invite } from "../../../src/app/enrol/invite.ts";
import { equalBytes, hex, Reader, Writer } from "../../../src/core/kernel/bytes.ts";
import { jsonBytes, parseJson, type Json } from "../../../src/core/kernel/json.ts";
import { below, pick, type Random } from "../../../src/core/kernel/random.ts";
import { readIntentBody, writeIntentBody } from "../../../src/core/intents/body.ts";
import * as membership from "../../../src/core/membership/frames.ts";
import {
  goneBody,
  healBody,
  linksBody,
  memberBody,
  podBody,
  statusBody,
} from "../../../src/core/records/bodies.ts";
import { readParcels, writeParcels } from "../../../src/core/records/parcel.ts";
import { bodyOf, openFrame, type MeshRecord } from "../../../src/core/records/record.ts";
import { openStored, storedBytes } from "../../../src/core/records/seal.ts";
import * as sync from "../../../src/core/sync/frames.ts";
import { createDecoder, createSketch, decodeSymbols, encodeSymbols } from "../../../src/core/sync/sketch.ts";
import { frameBytesMax } from "../../../src/ports/transport.ts";
import { nodeCrypto } from "../../../src/shells/crypto-node/node-crypto.ts";
import { packFrames, unpackFrames } from "../../../src/shells/identity-file/introduction.ts";
import { compress, decompress } from "../../../src/shells/transport-http2/compression.ts";
import { intent, membershipFrames, root, sampleRecords, syncFrames } from "../wire-samples.ts";
import { mutated, mutatedJson } from "./mutate.ts";

/** A decoder of bytes from elsewhere: it reads or refuses them; what it read can be written and read again. */
export type Target = {
  readonly name: string;
  readonly weight: number;
  readonly next: (random: Random) => Uint8Array;
  /** Whether the bytes were read; throws when what was read does not hold. */
  readonly read: (bytes: Uint8Array) => boolean;
};

export function createTargets(): readonly Target[] {
  const records = sampleRecords();
  const stored = records.map((record) => storedBytes(record, nodeCrypto));
  return [
    bytesTarget("sync frame", 6, syncSamples(), readSyncFrame),
    bytesTarget("membership frame", 1, membershipFrames.map(membership.encodeFrame), readMembershipFrame),
    bytesTarget(
      "record frame",
      2,
      records.map(({ frame }) => frame),
      readRecordFrame,
    ),
    bytesTarget("stored record", 2, stored, readStored),
    bytesTarget("parcels", 4, parcelSamples(records), readParcelBytes),
    bytesTarget("symbols", 2, symbolSamples(), symbolsReader()),
    jsonTarget("intent body", 2, [intent, ...records.map((record) => bodyOf(record) ?? null)], readIntent),
    jsonTarget(
      "fact bodies",
      2,
      [...bodySamples(), ...records.map((record) => bodyOf(record) ?? null)],
      readBodies,
    ),
    bytesTarget("compressed frame", 1, compressedSamples(stored), readCompressed),
    inviteTarget(),
    bytesTarget(
      "introduction",
      1,
      [packFrames([]), packFrames(stored), packFrames(stored.slice(0, 1))],
      readPack,
    ),
  ];
}

function bytesTarget(
  name: string,
  weight: number,
  samples: readonly Uint8Array[],
  read: Target["read"],
): Target {
  for (const sample of samples) assert.ok(read(sample), `a sample of ${name} is not read`);
  return {
    name,
    weight,
    read,
    next: (random) => mutated(random, pick(random, samples) ?? new Uint8Array(0), samples),
  };
}

function jsonTarget(name: string, weight: number, samples: readonly Json[], read: Target["read"]): Target {
  const bytes = samples.map(jsonBytes);
  assert.ok(bytes.some(read), `no sample of ${name} is read`);
  const next = (random: Random): Uint8Array =>
    below(random, 3) === 0
      ? mutated(random, pick(random, bytes) ?? new Uint8Array(0), bytes)
      : jsonBytes(mutatedJson(random, pick(random, samples) ?? null));
  return { name, weight, read, next };
}

export const syncSamples = (): Uint8Array[] =>
  syncFrames().map((frame) => sync.encodeFrame(frame, nodeCrypto));

function readSyncFrame(bytes: Uint8Array): boolean {
  const frame = sync.decodeFrame(bytes, nodeCrypto);
  if (frame === undefined || frame.type === "unknown") return false;
  const again = sync.decodeFrame(sync.encodeFrame(frame, nodeCrypto), nodeCrypto);
  assert.equal(again?.type, frame.type);
  if (frame.type === "records" && again?.type === "records")
    assert.deepEqual(idsOf(again.records), idsOf(frame.records));
  else if (frame.type === "symbols") decodeSymbols(frame.bytes);
  else assert.deepEqual(again, frame);
  return true;
}

function readMembershipFrame(bytes: Uint8Array): boolean {
  const frame = membership.decodeFrame(bytes);
  if (frame === undefined) return false;
  if (frame.type === "unknown") return true;
  assert.deepEqual(membership.decodeFrame(membership.encodeFrame(frame)), frame);
  return true;
}

function readRecordFrame(bytes: Uint8Array): boolean {
  const opened = openFrame(bytes, nodeCrypto);
  if (!opened.ok) return false;
  assert.ok(equalBytes(opened.value.frame, bytes), "a record with other bytes");
  bodyOf(opened.value);
  return true;
}

function readStored(bytes: Uint8Array): boolean {
  const opened = openStored(bytes, nodeCrypto);
  if (!opened.ok) return false;
  const record = opened.value;
  assert.deepEqual(idsOf(passedOn([record])), idsOf([record]));
  const again = openStored(storedBytes(record, nodeCrypto), nodeCrypto);
  assert.ok(again.ok && equalBytes(again.value.frame, record.frame));
  return true;
}

function parcelSamples(records: readonly MeshRecord[]): Uint8Array[] {
  const some = [records, records.slice(1, 3), records.slice(3), records.slice(5, 6), []];
  return some.map((part) => {
    const writer = new Writer();
    writeParcels(writer, part, nodeCrypto);
    return writer.done();
  });
}

function readParcelBytes(bytes: Uint8Array): boolean {
  const reader = new Reader(bytes);
  const records = readParcels(reader, nodeCrypto);
  if (reader.failed || !reader.done) return false;
  assert.deepEqual(idsOf(passedOn(records)), idsOf(records));
  for (const record of records) {
    const opened = openStored(storedBytes(record, nodeCrypto), nodeCrypto);
    assert.ok(opened.ok, "a record that came cannot be stored");
    const { key, version, at } = opened.value;
    assert.deepEqual({ key, version, at }, { key: record.key, version: record.version, at: record.at });
  }
  return true;
}

function passedOn(records: readonly MeshRecord[]): MeshRecord[] {
  const writer = new Writer();
  writeParcels(writer, records, nodeCrypto);
  const reader = new Reader(writer.done());
  const again = readParcels(reader, nodeCrypto);
  assert.ok(!reader.failed && reader.done, "records that came cannot be passed on");
  return again;
}

const idsOf = (records: readonly MeshRecord[]): string[] => records.map(({ hash }) => hex(hash)).sort();

function symbolSamples(): Uint8Array[] {
  const sketch = createSketch();
  const samples: Uint8Array[] = [encodeSymbols(sketch.snapshot(), 0, 16)];
  for (let item = 1; item <= 100; item++) sketch.insert((item * 0x9e3779b1) >>> 0, (item * 0x85ebca6b) >>> 0);
  samples.push(encodeSymbols(sketch.snapshot(), 0, 64), encodeSymbols(sketch.snapshot(), 64, 128));
  return samples;
}

function symbolsReader(): Target["read"] {
  const sketch = createSketch();
  for (let item = 50; item <= 130; item++)
    sketch.insert((item * 0x9e3779b1) >>> 0, (item * 0x85ebca6b) >>> 0);
  return (bytes) => {
    const symbols = decodeSymbols(bytes);
    if (symbols === undefined) return false;
    const { from, words } = symbols;
    assert.deepEqual(decodeSymbols(encodeSymbols(symbols, from, from + words.length / 4)), symbols);
    for (let at = 3; at < words.length; at += 4)
      assert.ok((words[at] ?? -1) >= 0 && (words[at] ?? 0) <= symbols.size);
    const decoder = createDecoder(sketch.snapshot());
    decoder.add(symbols);
    assert.ok(decoder.onlyRemote.length + decoder.onlyLocal.length <= words.length / 4 + 1);
    return true;
  };
}

function readIntent(bytes: Uint8Array): boolean {
  const body = readIntentBody(parseJson(bytes));
  if (body === undefined) return false;
  assert.deepEqual(readIntentBody(parseJson(jsonBytes(writeIntentBody(body)))), body);
  return true;
}

const shapes = [memberBody, goneBody, statusBody, linksBody, podBody, healBody] as const;

function readBodies(bytes: Uint8Array): boolean {
  const json = parseJson(bytes);
  let read = false;
  for (const shape of shapes) {
    const body = shape(json);
    if (body === undefined) continue;
    read = true;
    assert.deepEqual(shape(parseJson(jsonBytes(body as unknown as Json))), body);
    assert.equal(Object.getPrototypeOf(body), Object.prototype);
  }
  return read;
}

function bodySamples(): Json[] {
  const requests = { cpuMilli: 10, memoryBytes: 20 };
  const container = {
    name: "c",
    image: "i",
    state: "running",
    ready: true,
    restarts: 0,
    pid: 7,
    ports: [{ name: "http", port: 80, hostPort: 30_000 }],
  };
  const pod = {
    namespace: "shop",
    name: "web-0",
    workload: { group: "apps", kind: "Deployment", namespace: "shop", name: "web" },
    slot: "mesh/0",
    revision: "r",
    claimedAt: 5,
    phase: "Running",
    ready: true,
    labels: { a: "b" },
    address: "192.0.2.1",
    containers: [container],
    requests,
  };
  const report = {
    at: 1,
    returned: [{ node: root.id, name: "n", awayMs: 5 }],
    received: 1,
    sent: 2,
    conflicts: [{ object: "o", field: "f" }],
    stopped: [{ pod: "p", slot: "s", reason: "r" }],
    untouched: 3,
  };
  return [pod, { reports: [report] }, { peers: [root.id] }, { how: "left", reason: "tired" }];
}

function compressedSamples(stored: readonly Uint8Array[]): Uint8Array[] {
  const zeros = compress(new Uint8Array(64 * 1024)) ?? assert.fail("zeros do not compress");
  const text = compress(jsonBytes(Array.from({ length: 100 }, (_, at) => ({ at })))) ?? assert.fail("text");
  // A frame of 8 MiB in some hundred bytes: what must not be unpacked.
  const bomb = new Uint8Array(zstdCompressSync(new Uint8Array(2 * frameBytesMax)));
  assert.equal(decompress(bomb), undefined);
  return [zeros, text, ...stored.flatMap((bytes) => compress(bytes) ?? [])];
}

function readCompressed(bytes: Uint8Array): boolean {
  const frame = decompress(bytes);
  if (frame === undefined) return false;
  assert.ok(frame.length <= frameBytesMax);
  return true;
}

function inviteTarget(): Target {
  const invite: Invite = {
    meshId: root.id,
    meshName: "home",
    ca: "0".repeat(64),
    enroller: root.id,
    addresses: ["192.0.2.1:7440", "[2001:db8::1]:7440"],
    secret: "A".repeat(32),
    site: "oslo",
    region: "north",
    createdAt: 0,
    expiresAt: Number.MAX_SAFE_INTEGER,
  };
  const line = Buffer.from(encodeInvite(invite));
  const read = (bytes: Uint8Array): boolean => {
    const text = Buffer.from(bytes).toString();
    const decoded = decodeInvite(text, 1);
    if (!decoded.ok) return false;
    assert.deepEqual(decodeInvite(encodeInvite(decoded.value), 1), decoded);
    return true;
  };
  assert.ok(read(line));
  const next = (random: Random): Uint8Array => {
    if (below(random, 2) === 0) return mutated(random, line, [line]);
    // With a checksum that is right, so that what is inside is looked at.
    const json = jsonBytes(mutatedJson(random, invite));
    const inside = below(random, 3) === 0 ? mutated(random, json, [json]) : json;
    const payload = Buffer.from(inside).toString("base64url");
    const checksum = createHash("sha256").update(payload).digest("base64url").slice(0, 6);
    return Buffer.from(`starlight1.${payload}.${checksum}`);
  };
  return { name: "invite", weight: 1, next, read };
}

function readPack(bytes: Uint8Array): boolean {
  const frames = unpackFrames(bytes);
  if (frames === undefined) return false;
  for (const frame of frames) openStored(frame, nodeCrypto);
  assert.deepEqual(unpackFrames(packFrames(frames)), frames);
  return true;
}
