import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { hex, Writer } from "../kernel/bytes.ts";
import { versionMax } from "../kernel/hybrid-clock.ts";
import { jsonBytes, type Json } from "../kernel/json.ts";
import {
  assemble,
  bodyBytesMax,
  bodyOf,
  draftRecord,
  extensionBytesMax,
  frameBytesMax,
  isNodeId,
  isTombstone,
  keyLengthMax,
  nodeIdOf,
  openFrame,
  type MeshRecord,
  type RecordDraft,
  type RecordKind,
} from "./record.ts";
import type { Scope } from "./scope.ts";

const author = "0123456789abcdef0123";
const drafted = (draft: RecordDraft): MeshRecord => draftRecord(draft, author, nodeCrypto);

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
  readonly extension?: Uint8Array;
}): Uint8Array {
  return new Writer()
    .byte(parts.format ?? 2)
    .byte(parts.kind ?? 2)
    .text(parts.scope ?? "mesh")
    .text(parts.key ?? "node/x/status")
    .text(parts.author ?? author)
    .uint(parts.version ?? 1)
    .bytes(parts.body ?? jsonBytes({}))
    .bytes(parts.extension ?? new Uint8Array(0))
    .done();
}

function opened(bytes: Uint8Array): MeshRecord {
  const result = openFrame(bytes, nodeCrypto);
  assert.ok(result.ok, result.ok ? "" : result.error.type);
  return result.value;
}

function refusal(bytes: Uint8Array): string | undefined {
  const result = openFrame(bytes, nodeCrypto);
  return result.ok ? undefined : result.error.type;
}

test("a frame opens as it was drafted, byte for byte, for any draft", () => {
  fc.assert(
    fc.property(draft, (draft) => {
      const made = drafted(draft);
      const read = opened(made.frame);
      const { scope, key, version, kind } = draft;
      assert.deepEqual(
        { scope: read.scope, key: read.key, version: read.version, kind: read.kind, author: read.author },
        { scope, key, version, kind, author },
      );
      assert.deepEqual(bodyOf(read), draft.body);
      assert.equal(hex(read.body), hex(made.body));
      assert.equal(hex(read.hash), hex(made.hash));
      assert.equal(hex(read.frame), hex(made.frame));
      assert.equal(read.extension.length, 0);
    }),
  );
});

test("an extension of up to 4,096 bytes is kept as it came, and one byte more is malformed", () => {
  for (const length of [1, 127, 128, 4096]) {
    const bytes = forge({ extension: new Uint8Array(length).fill(7) });
    const read = opened(bytes);
    assert.equal(hex(read.extension), "07".repeat(length));
    assert.equal(hex(read.body), hex(jsonBytes({})));
    assert.equal(hex(read.frame), hex(bytes));
  }
  assert.equal(extensionBytesMax, 4096);
  assert.equal(refusal(forge({ extension: new Uint8Array(4097) })), "malformed");
});

test("flipping any one bit makes a frame that is refused, or a record with another hash", () => {
  const { frame, hash } = drafted(plain);
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const flipped = frame.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const result = openFrame(flipped, nodeCrypto);
    if (result.ok) assert.notEqual(hex(result.value.hash), hex(hash), `bit ${bit & 7} of byte ${bit >> 3}`);
  }
});

test("an integer written in more bytes than it needs is malformed: one record has one form", () => {
  const { frame } = drafted({ ...plain, version: 7, body: undefined });
  const at = frame.length - 3;
  assert.equal(frame[at], 7);
  const longer = new Writer()
    .raw(frame.subarray(0, at))
    .byte(0x87)
    .byte(0)
    .raw(frame.subarray(at + 1));
  assert.equal(refusal(longer.done()), "malformed");
});

test("a frame that is cut short or has bytes after its end is malformed", () => {
  const { frame: bytes } = drafted(plain);
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
      assert.ok(refusal(new Writer().byte(2).byte(0).raw(noise).done()) !== undefined);
    }),
  );
});

test("a frame of another format is named as such, not judged", () => {
  for (const format of [0, 1, 3, 255]) assert.equal(refusal(forge({ format })), "unknown-format");
  assert.equal(refusal(new Uint8Array([3])), "unknown-format");
});

test("an unknown kind, a scope that is none, or an author that is no node id is malformed", () => {
  assert.equal(refusal(forge({})), undefined);
  assert.equal(refusal(forge({ kind: 16 })), "malformed");
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
    extension: new Uint8Array(extensionBytesMax),
  });
  assert.equal(refusal(largest), undefined);
  assert.ok(largest.length <= frameBytesMax);
  const result = openFrame(new Uint8Array(frameBytesMax + 1).fill(2), nodeCrypto);
  assert.deepEqual(result.ok || result.error.type, "malformed");
});

test("a draft of ours that is too large throws, and the largest one does not; keys count in bytes of UTF-8", () => {
  const body = "x".repeat(bodyBytesMax - 2);
  assert.equal(drafted({ ...plain, body }).body.length, bodyBytesMax);
  assert.throws(() => drafted({ ...plain, body: `${body}x` }), RangeError);
  for (const key of ["k".repeat(1024), "é".repeat(512), "😀".repeat(256)]) {
    assert.equal(opened(drafted({ ...plain, key }).frame).key, key);
    assert.throws(() => drafted({ ...plain, key: `${key}k` }), RangeError);
  }
});

test("a key with half of a surrogate pair throws: its bytes would name another record", () => {
  for (const key of ["\ud800", "a\udc00b"]) assert.throws(() => drafted({ ...plain, key }), RangeError);
});

test("whatever parts are put together open as the same record, also with lengths of several bytes", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), bytes, bytes, (key, body, extension) => {
      const parts = { scope: "mesh", key, author, version: 9, kind: "intent", body, extension } as const;
      const made = assemble(parts, nodeCrypto);
      assert.deepEqual(opened(made.frame), made);
      assert.equal(hex(made.body), hex(body));
      assert.equal(hex(made.extension), hex(extension));
    }),
  );
});

test("a record without a body is a tombstone; one whose body is null is not", () => {
  const tombstone = opened(drafted({ ...plain, body: undefined }).frame);
  assert.ok(isTombstone(tombstone));
  assert.equal(bodyOf(tombstone), undefined);
  const empty = opened(drafted({ ...plain, body: null }).frame);
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
  const ids = drafts.map((draft) => drafted(draft).hash);
  for (const id of ids) assert.equal(id.length, 32);
  assert.equal(new Set(ids.map(hex)).size, drafts.length);
});
