import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { equalBytes, fromHex, hex, Reader, textOf, utf8, Writer } from "./bytes.ts";

const exact = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.integer({ min: 0, max: 52 }).map((power) => 2 ** power),
);
const bytes = fc.uint8Array({ maxLength: 600 });
const text = fc.string({ unit: "grapheme", maxLength: 60 });

type Field =
  | { readonly type: "byte"; readonly value: number }
  | { readonly type: "uint"; readonly value: number }
  | { readonly type: "bytes"; readonly value: Uint8Array }
  | { readonly type: "raw"; readonly value: Uint8Array }
  | { readonly type: "text"; readonly value: string };

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ type: fc.constant("byte" as const), value: fc.nat(255) }),
  fc.record({ type: fc.constant("uint" as const), value: exact }),
  fc.record({ type: fc.constant("bytes" as const), value: bytes }),
  fc.record({ type: fc.constant("raw" as const), value: bytes }),
  fc.record({ type: fc.constant("text" as const), value: text }),
);
const frame = fc.array(field, { maxLength: 12 });

function write(fields: readonly Field[]): Uint8Array {
  const writer = new Writer();
  for (const field of fields) {
    if (field.type === "byte") writer.byte(field.value);
    else if (field.type === "uint") writer.uint(field.value);
    else if (field.type === "text") writer.text(field.value);
    else if (field.type === "bytes") writer.bytes(field.value);
    else writer.raw(field.value);
  }
  return writer.done();
}

function read(reader: Reader, field: Field): number | string | Uint8Array {
  switch (field.type) {
    case "byte":
      return reader.byte();
    case "uint":
      return reader.uint();
    case "text":
      return reader.text(1_000_000);
    case "bytes":
      return reader.bytes(1_000_000);
    case "raw":
      return reader.raw(field.value.length);
  }
}

const list = (run: Uint8Array): number[] => [...run];

test("what was written reads back, in any mixture of fields, to the last byte", () => {
  fc.assert(
    fc.property(frame, (fields) => {
      const reader = new Reader(write(fields));
      for (const field of fields) {
        const found = read(reader, field);
        if (found instanceof Uint8Array) assert.deepEqual(list(found), list(field.value as Uint8Array));
        else assert.equal(found, field.value);
      }
      assert.equal(reader.failed, false);
      assert.equal(reader.done, true);
    }),
  );
});

test("a frame that lacks its last bytes fails, whatever it held and however many are missing", () => {
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 12 }), fc.nat(), (fields, cut) => {
      const whole = write(fields);
      if (whole.length === 0) return;
      const reader = new Reader(whole.subarray(0, cut % whole.length));
      for (const field of fields) read(reader, field);
      assert.equal(reader.failed, true);
    }),
  );
});

test("no bytes make a reader throw, run past the end, or give an inexact integer", () => {
  fc.assert(
    fc.property(bytes, fc.array(field, { maxLength: 8 }), (noise, fields) => {
      const reader = new Reader(noise);
      for (const field of fields) {
        const found = read(reader, field);
        if (typeof found === "number") assert.ok(Number.isSafeInteger(found) && found >= 0, `${found}`);
        assert.ok(reader.at <= noise.length);
      }
    }),
  );
});

test("after the first malformed byte everything that is read is empty", () => {
  const reader = new Reader(new Writer().bytes(utf8("too long")).uint(7).text("later").done());
  assert.deepEqual(list(reader.bytes(7)), []);
  assert.equal(reader.failed, true);
  assert.deepEqual([reader.uint(), reader.text(100), reader.byte()], [0, "", 0]);
  assert.deepEqual(list(reader.raw(0)), []);
  assert.equal(reader.done, true);
});

test("a run of exactly the allowed length is read, one byte more is not", () => {
  const encoded = new Writer().bytes(new Uint8Array(10)).done();
  const read = (lengthMax: number): boolean => {
    const reader = new Reader(encoded);
    return reader.bytes(lengthMax).length === 10 && !reader.failed;
  };
  assert.equal(read(10), true);
  assert.equal(read(9), false);
});

test("integers are LEB128: 1 byte up to 127, 2 up to 16,383, 8 up to 2^53 - 1", () => {
  const sizes: readonly (readonly [number, string])[] = [
    [0, "00"],
    [127, "7f"],
    [128, "8001"],
    [300, "ac02"],
    [16_383, "ff7f"],
    [16_384, "808001"],
    [Number.MAX_SAFE_INTEGER, "ffffffffffffff0f"],
  ];
  for (const [value, encoded] of sizes) assert.equal(hex(new Writer().uint(value).done()), encoded);
});

test("an integer of 2^53 or more, or of more than 8 bytes, is refused", () => {
  for (const encoded of [
    "8080808080808010",
    "ffffffffffffff7f",
    "808080808080808001",
    "808080808080808000",
  ]) {
    const reader = new Reader(fromHex(encoded) ?? new Uint8Array(0));
    assert.equal(reader.uint(), 0);
    assert.equal(reader.failed, true, encoded);
  }
});

test("a length near 2^53 in a short frame is refused", () => {
  const reader = new Reader(new Writer().uint(Number.MAX_SAFE_INTEGER).byte(1).done());
  assert.equal(reader.bytes(Number.MAX_SAFE_INTEGER).length, 0);
  assert.equal(reader.failed, true);
});

test("text that is not valid UTF-8 is refused: overlong, surrogate, truncated, stray", () => {
  for (const encoded of ["c080", "eda080", "e282", "ff", "80", "f4908080"]) {
    const invalid = fromHex(encoded) ?? new Uint8Array(0);
    assert.equal(textOf(invalid), undefined, encoded);
    const reader = new Reader(new Writer().bytes(invalid).done());
    assert.equal(reader.text(100), "");
    assert.equal(reader.failed, true, encoded);
  }
});

test("text keeps a byte order mark and a NUL", () => {
  for (const kept of ["\uFEFFx", "a\0b"]) assert.equal(textOf(utf8(kept)), kept);
});

test("a writer's result is a copy that later writers leave alone, and a writer that is done takes nothing more", () => {
  const writer = new Writer().raw(new Uint8Array(300).fill(1));
  const first = writer.done();
  assert.deepEqual(new Writer().raw(new Uint8Array(300).fill(2)).done(), new Uint8Array(300).fill(2));
  assert.deepEqual(first, new Uint8Array(300).fill(1));
  assert.throws(() => writer.byte(3), RangeError);
  assert.throws(() => writer.done(), RangeError);
});

test("10 writers that are open at once do not write into each other, also beyond 2,048 bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(1_500)), { maxLength: 60 }), (writes) => {
      const writers = Array.from({ length: 10 }, () => new Writer());
      const wanted = writers.map((): number[] => []);
      for (const [at, count] of writes) {
        writers[at]?.raw(new Uint8Array(count).fill(at));
        for (let left = count; left > 0; left--) wanted[at]?.push(at);
      }
      assert.deepEqual(
        writers.map((writer) => [...writer.done()]),
        wanted,
      );
    }),
  );
});

test("texts of ASCII and others, short and long, are the same UTF-8 as the platform's", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: "binary", maxLength: 120 })),
      (text) => {
        const wanted = new Uint8Array(Buffer.from(text));
        assert.deepEqual(utf8(text), wanted);
        assert.deepEqual(new Reader(new Writer().text(text).done()).bytes(10_000), wanted);
      },
    ),
  );
});

test("hex reads back in either case; odd lengths and other characters are refused", () => {
  fc.assert(
    fc.property(bytes, (run) => {
      assert.deepEqual(fromHex(hex(run)), run);
      assert.deepEqual(fromHex(hex(run).toUpperCase()), run);
    }),
  );
  assert.equal(hex(new Uint8Array([0, 15, 16, 255])), "000f10ff");
  for (const text of ["0", "abc", "0g", "0x", " 0", "0\n", "-1", "é0"])
    assert.equal(fromHex(text), undefined, text);
});

test("bytes are equal only when their lengths and every byte are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), (run, place) => {
      assert.ok(equalBytes(run, run.slice()));
      assert.ok(!equalBytes(run, run.slice(0, -1)));
      assert.ok(!equalBytes(run.slice(0, -1), run));
      const changed = run.slice();
      const at = place % run.length;
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.ok(!equalBytes(run, changed));
    }),
  );
});
