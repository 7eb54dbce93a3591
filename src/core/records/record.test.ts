import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto, signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { hex, Writer } from "../kernel/bytes.ts";
import { versionMax } from "../kernel/hybrid-clock.ts";
import { jsonBytes, type Json } from "../kernel/json.ts";
import {
  bodyBytesMax,
  bodyOf,
  isNodeId,
  isTombstone,
  keyLengthMax,
  nodeIdOf,
  openRecord,
  recordBytesMax,
  sealRecord,
  signatureHolds,
  type MeshRecord,
  type RecordDraft,
  type RecordKind,
} from "./record.ts";
import type { Scope } from "./scope.ts";

const { privateKey } = generateKeyPairSync("ed25519");
const signer = signerFromPem(String(privateKey.export({ format: "pem", type: "pkcs8" })));
const author = nodeIdOf(signer.publicKey, nodeCrypto);
const seal = (draft: RecordDraft): MeshRecord => sealRecord(draft, author, signer, nodeCrypto);

const plain: RecordDraft = {
  scope: "mesh",
  key: `node/${author}/status`,
  version: 7,
  kind: "fact",
  body: { up: true },
};

const kinds: readonly RecordKind[] = ["roster", "intent", "fact"];
const draft: fc.Arbitrary<RecordDraft> = fc.record({
  scope: fc.constantFrom<Scope>("mesh", "site:oslo", "region:north-1", `site:${"a".repeat(63)}`),
  key: fc.string({ maxLength: 200 }),
  version: fc.integer({ min: 0, max: versionMax }),
  kind: fc.constantFrom(...kinds),
  body: fc.option(
    fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json),
    { nil: undefined },
  ),
});

/** A frame put together by hand, so that each part can be wrong. */
function forge(parts: {
  readonly format?: number;
  readonly kind?: number;
  readonly scope?: string;
  readonly key?: string;
  readonly author?: string;
  readonly version?: number;
  readonly body?: Uint8Array;
  readonly signature?: number;
}): Uint8Array {
  return new Writer()
    .byte(parts.format ?? 1)
    .byte(parts.kind ?? 2)
    .text(parts.scope ?? "mesh")
    .text(parts.key ?? "node/x/status")
    .text(parts.author ?? author)
    .uint(parts.version ?? 1)
    .bytes(parts.body ?? jsonBytes({}))
    .raw(new Uint8Array(parts.signature ?? 64))
    .done();
}

function opened(bytes: Uint8Array): MeshRecord {
  const result = openRecord(bytes, nodeCrypto);
  assert.ok(result.ok, result.ok ? "" : result.error.type);
  return result.value;
}

function refusal(bytes: Uint8Array): string | undefined {
  const result = openRecord(bytes, nodeCrypto);
  return result.ok ? undefined : result.error.type;
}

test("a record opens as it was sealed, and its signature holds, for any draft", () => {
  fc.assert(
    fc.property(draft, (draft) => {
      const sealed = seal(draft);
      const read = opened(sealed.bytes);
      const { scope, key, version, kind } = draft;
      assert.deepEqual(
        { scope: read.scope, key: read.key, version: read.version, kind: read.kind, author: read.author },
        { scope, key, version, kind, author },
      );
      assert.deepEqual(bodyOf(read), draft.body);
      assert.equal(hex(read.body), hex(sealed.body));
      assert.equal(hex(read.id), hex(sealed.id));
      assert.equal(read.bytes, sealed.bytes);
      assert.ok(signatureHolds(read, signer.publicKey, nodeCrypto));
    }),
  );
});

test("the signature covers the exact bytes: flipping any one bit makes a record that is refused", () => {
  const { bytes } = seal(plain);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const result = openRecord(flipped, nodeCrypto);
    const passes = result.ok && signatureHolds(result.value, signer.publicKey, nodeCrypto);
    assert.equal(passes, false, `bit ${bit & 7} of byte ${bit >> 3}`);
  }
});

test("another key's signature, or the same one over bytes without the record prefix, does not hold", () => {
  const record = opened(seal(plain).bytes);
  const stranger = generateKeyPairSync("ed25519").privateKey;
  const other = signerFromPem(String(stranger.export({ format: "pem", type: "pkcs8" })));
  assert.equal(signatureHolds(record, other.publicKey, nodeCrypto), false);
  const signed = record.bytes.subarray(0, -64);
  const bare = new Writer().raw(signed).raw(signer.sign(signed)).done();
  assert.equal(signatureHolds(opened(bare), signer.publicKey, nodeCrypto), false);
});

test("a frame that is cut short or has bytes after its end is malformed", () => {
  const { bytes } = seal(plain);
  for (let length = 1; length < bytes.length; length++) {
    assert.equal(refusal(bytes.subarray(0, length)), "malformed", `${length} bytes`);
  }
  assert.equal(refusal(new Uint8Array(0)), "malformed");
  assert.equal(refusal(new Writer().raw(bytes).byte(0).done()), "malformed");
});

test("arbitrary bytes are refused and never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      assert.ok(refusal(noise) !== undefined);
      assert.ok(refusal(new Writer().byte(1).byte(0).raw(noise).done()) !== undefined);
    }),
  );
});

test("a frame of another format is named as such, not judged", () => {
  for (const format of [0, 2, 255]) assert.equal(refusal(forge({ format })), "unknown-format");
  assert.equal(refusal(new Uint8Array([2])), "unknown-format");
});

test("an unknown kind, a scope that is none, or an author that is no node id is malformed", () => {
  assert.equal(refusal(forge({})), undefined);
  assert.equal(refusal(forge({ kind: 3 })), "malformed");
  for (const scope of [
    "",
    "all",
    "site:",
    "site:Oslo",
    "site:-a",
    "site:a/b",
    "zone:x",
    `site:${"a".repeat(64)}`,
  ])
    assert.equal(refusal(forge({ scope })), "malformed", scope);
  for (const wrong of ["", "a".repeat(19), "a".repeat(21), "A".repeat(20), "g".repeat(20)])
    assert.equal(refusal(forge({ author: wrong })), "malformed", wrong);
  assert.equal(refusal(forge({ signature: 63 })), "malformed");
});

test("a key of 1,024 and a body of 1,048,576 bytes open; one byte more of either is malformed", () => {
  assert.equal(keyLengthMax, 1024);
  assert.equal(bodyBytesMax, 1_048_576);
  assert.equal(refusal(forge({ key: "k".repeat(1024) })), undefined);
  assert.equal(refusal(forge({ key: "k".repeat(1025) })), "malformed");
  assert.equal(refusal(forge({ body: new Uint8Array(1_048_576) })), undefined);
  assert.equal(refusal(forge({ body: new Uint8Array(1_048_577) })), "malformed");
});

test("the largest record there can be fits the bound on whole frames, and a larger frame is not read", () => {
  const largest = forge({
    scope: `region:${"a".repeat(63)}`,
    key: "k".repeat(1024),
    version: versionMax,
    body: new Uint8Array(bodyBytesMax),
  });
  assert.equal(refusal(largest), undefined);
  assert.ok(largest.length <= recordBytesMax);
  const result = openRecord(new Uint8Array(recordBytesMax + 1).fill(2), nodeCrypto);
  assert.deepEqual(result.ok || result.error.type, "malformed");
});

test("sealing a draft of ours that is too large throws, and the largest one does not", () => {
  const body = "x".repeat(bodyBytesMax - 2);
  assert.equal(seal({ ...plain, body }).body.length, bodyBytesMax);
  assert.throws(() => seal({ ...plain, body: `${body}x` }), RangeError);
  assert.equal(seal({ ...plain, key: "k".repeat(1024) }).key.length, 1024);
  assert.throws(() => seal({ ...plain, key: "k".repeat(1025) }), RangeError);
});

test(
  "whatever can be sealed can be opened, also with a key beyond ASCII",
  { todo: "sealRecord counts UTF-16 units where openRecord counts bytes" },
  () => {
    const { bytes } = seal({ ...plain, key: "é".repeat(600) });
    assert.equal(refusal(bytes), undefined);
  },
);

test("a record without a body is a tombstone; one whose body is null is not", () => {
  const tombstone = opened(seal({ ...plain, body: undefined }).bytes);
  assert.ok(isTombstone(tombstone));
  assert.equal(bodyOf(tombstone), undefined);
  const empty = opened(seal({ ...plain, body: null }).bytes);
  assert.ok(!isTombstone(empty));
  assert.equal(bodyOf(empty), null);
});

test("a body that is not JSON opens, as its bytes may mean something to a later version, and reads as undefined", () => {
  const record = opened(forge({ body: new Uint8Array([0xff, 0x00]) }));
  assert.ok(!isTombstone(record));
  assert.equal(bodyOf(record), undefined);
});

test("a node id is the first 10 bytes of the SHA-256 of the key, in lower-case hex", () => {
  assert.equal(nodeIdOf(new Uint8Array(0), nodeCrypto), "e3b0c44298fc1c149afb");
  assert.ok(isNodeId(author));
  for (const text of [
    "",
    author.slice(1),
    `${author}0`,
    author.toUpperCase().replace(/\d/g, "A"),
    `${author}\n`,
  ])
    assert.ok(!isNodeId(text), text);
});

test("the id is 16 bytes and changes with any part of the draft", () => {
  const drafts: readonly RecordDraft[] = [
    plain,
    { ...plain, scope: "site:oslo" },
    { ...plain, key: `node/${author}/links` },
    { ...plain, version: 8 },
    { ...plain, kind: "intent" },
    { ...plain, body: undefined },
    { ...plain, body: { up: false } },
  ];
  const ids = drafts.map((draft) => seal(draft).id);
  for (const id of ids) assert.equal(id.length, 16);
  assert.equal(new Set(ids.map(hex)).size, drafts.length);
});
