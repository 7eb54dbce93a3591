import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { clockRefusal } from "./clock-check.ts";
import { decodeInvite, encodeInvite, type Invite } from "./invite.ts";
import { createRateLimit } from "./rate-limit.ts";

const now = Date.UTC(2026, 10, 1);
const invite: Invite = {
  meshId: "0123456789abcdef0123",
  meshName: "shop",
  ca: "ab".repeat(32),
  enroller: "3210fedcba9876543210",
  addresses: ["10.0.0.5:7443", "[fd00::5]:7443"],
  secret: "x".repeat(32),
  site: "berlin",
  region: "eu",
  createdAt: now - 1_000,
  expiresAt: now + 1_000,
};
const line = encodeInvite(invite);

function errorOf(text: string, at = now): string {
  const decoded = decodeInvite(text, at);
  return decoded.ok ? "none" : decoded.error.type;
}

describe("an invite", () => {
  test("comes back as it was, also with line breaks and spaces from copying", () => {
    assert.deepEqual(decodeInvite(line, now), { ok: true, value: invite });
    const wrapped = `  ${line.slice(0, 80)}\r\n ${line.slice(80)}\n`;
    assert.deepEqual(decodeInvite(wrapped, now), { ok: true, value: invite });
  });

  test("is expired from its last millisecond on, with both times in the error", () => {
    assert.equal(errorOf(line, now + 999), "none");
    const expired = decodeInvite(line, now + 1_000);
    assert.deepEqual(expired, { ok: false, error: { type: "expired", at: now + 1_000, now: now + 1_000 } });
  });

  test("no proper prefix of it is taken for an invite", () => {
    fc.assert(
      fc.property(fc.nat({ max: line.length - 1 }), (length) => {
        const type = errorOf(line.slice(0, length));
        assert(type === "damaged" || type === "not-an-invite" || type === "newer-format", type);
      }),
    );
  });

  test("one altered character anywhere is noticed", () => {
    fc.assert(
      fc.property(fc.nat({ max: line.length - 1 }), fc.constantFrom("A", "b", "7", "_", "."), (at, unit) => {
        fc.pre(line[at] !== unit);
        assert.notEqual(errorOf(line.slice(0, at) + unit + line.slice(at + 1)), "none");
      }),
    );
  });

  test("another text is `not-an-invite`, another format is told by its number", () => {
    for (const text of ["", "hello", "starlight.abc", "https://example.org", "x".repeat(100_000)]) {
      assert.equal(errorOf(text), "not-an-invite", text.slice(0, 20));
    }
    assert.deepEqual(decodeInvite("starlight2.abc.def", now), {
      ok: false,
      error: { type: "newer-format", format: "2" },
    });
  });

  test("with a valid checksum around unsound content is `damaged`", () => {
    const unsound: Partial<Invite>[] = [
      { meshId: "short" },
      { addresses: [] },
      { addresses: ["no port"] },
      { site: "Not A Site" },
      { region: "eu.-de" },
      { secret: "short" },
      { ca: "zz" },
    ];
    for (const change of unsound) {
      assert.equal(errorOf(encodeInvite({ ...invite, ...change })), "damaged", JSON.stringify(change));
    }
  });

  test("any text at all gives an answer, never an exception", () => {
    fc.assert(fc.property(fc.string(), (text) => void decodeInvite(text, now)));
    fc.assert(fc.property(fc.string(), (text) => void decodeInvite(`starlight1.${text}`, now)));
  });
});

describe("the clock check", () => {
  const floor = now - 60_000;

  test("bears 5 minutes either way and refuses a millisecond more", () => {
    for (const sign of [-1, 1]) {
      assert.equal(clockRefusal(now + sign * 300_000, now, floor), undefined);
      assert.equal(clockRefusal(now + sign * 300_001, now, floor)?.refusal, "clock");
    }
  });

  test("names both times and the side that lies before the invite was made", () => {
    const newcomer = clockRefusal(0, now, floor)?.detail ?? "";
    assert.match(newcomer, /newcomer's clock says 1970-01-01T00:00:00\.000Z, the enroller's 2026-11-01/);
    assert.match(newcomer, /the newcomer's looks wrong: it lies before the invite/);
    assert.match(clockRefusal(now, 0, floor)?.detail ?? "", /the enroller's looks wrong/);
    assert.match(clockRefusal(Number.MAX_SAFE_INTEGER, now, floor)?.detail ?? "", /ms after 1970/);
  });
});

test("the rate limit lets 3 through at once and then 1 a second, for each key by itself", () => {
  const limit = createRateLimit(3, 1_000);
  const allowed = (key: string, at: number): number => {
    let count = 0;
    for (; limit.allows(key, at); count++) limit.charge(key, at);
    return count;
  };
  assert.equal(allowed("a", 0), 3);
  assert.equal(allowed("b", 0), 3);
  assert.equal(allowed("a", 999), 0);
  assert.equal(allowed("a", 1_000), 1);
  assert.equal(allowed("a", 60_000), 3);
});
