import assert from "node:assert/strict";
import { test } from "node:test";
import jsqr from "jsqr";
import { encodeInvite } from "../app/enrol/invite.ts";
import { qrLines } from "./qr-code.ts";

/** Draws what a terminal shows, white characters on black, and reads it with an independent decoder. */
function read(lines: readonly string[]): string | undefined {
  const scale = 3;
  const width = (lines[0]?.length ?? 0) * scale;
  const height = lines.length * 2 * scale;
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  const light: { readonly [character: string]: readonly [boolean, boolean] } = {
    "█": [true, true],
    "▀": [true, false],
    "▄": [false, true],
    " ": [false, false],
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = Math.floor(y / scale);
      const character = lines[row >> 1]?.[Math.floor(x / scale)] ?? "";
      const halves = light[character];
      assert.ok(halves !== undefined, `unexpected ${JSON.stringify(character)}`);
      pixels.fill(halves[row & 1] === true ? 255 : 0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return jsqr.default(pixels, width, height)?.data;
}

const invite = encodeInvite({
  meshId: "0123456789abcdef0123",
  meshName: "shops",
  ca: "f".repeat(64),
  enroller: "aaaaaaaaaaaaaaaaaaaa",
  addresses: ["192.168.17.21:7443", "10.20.30.40:7443", "[2001:db8::17:21]:7443"],
  secret: "s".repeat(32),
  site: "oslo",
  region: "north",
  createdAt: 1_800_000_000_000,
  expiresAt: 1_800_086_400_000,
});

test("an independent decoder reads the invite from the printed QR code", () => {
  assert.equal(read(qrLines(invite)), invite);
});

test("an invite with three addresses takes less than 100 columns and 50 lines", () => {
  const [first = "", ...more] = qrLines(invite);
  assert.ok(first.length < 100, `${first.length} columns`);
  assert.ok(more.length < 49 && more.every((line) => line.length === first.length));
});
