import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import * as fc from "fast-check";
import { frameBytesMax } from "../../ports/transport.ts";
import { compress, decompress } from "./compression.ts";

test("what was compressed comes back, and is shorter", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(40), (bytes, times) => {
      const whole = new Uint8Array(Buffer.concat(Array.from({ length: times }, () => bytes)));
      const compressed = compress(whole);
      if (compressed === undefined) return;
      assert.ok(compressed.length < whole.length);
      assert.deepEqual(decompress(compressed), whole);
    }),
  );
});

test("short frames and noise are left as they are", () => {
  assert.equal(compress(new Uint8Array(63)), undefined);
  assert.equal(compress(randomBytes(10_000)), undefined);
});

test("200 bytes that would grow past 4 MiB are refused before they do", () => {
  const bomb = zstdCompressSync(Buffer.alloc(frameBytesMax + 1));
  assert.ok(bomb.length < 400);
  const before = process.memoryUsage().arrayBuffers;
  assert.equal(decompress(bomb), undefined);
  assert.ok(process.memoryUsage().arrayBuffers - before < 3 * frameBytesMax);
});

test("damaged and foreign bytes are refused, never thrown about", () => {
  const good = Buffer.from(compress(Buffer.alloc(5_000, "starlight")) ?? []);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ change;
      const bytes = decompress(bad);
      assert.ok(bytes === undefined || bytes.length <= frameBytesMax);
    }),
  );
  assert.equal(decompress(randomBytes(100)), undefined);
});
