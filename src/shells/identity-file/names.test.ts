import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isScope, regionsAround, scopesOf, isRegion } from "../../core/records/scope.ts";
import { IdentityError } from "./identity-error.ts";
import { checkRegion } from "./names.ts";

const part = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);

test("1 to 6 parts of at most 63 characters in all make a region, a seventh part or a 64th character does not", () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
      const region = parts.join(".");
      assert.equal(isRegion(region), parts.length <= 6 && region.length <= 63);
    }),
  );
  for (const region of ["a.b.c.d.e.f", `eu.${"a".repeat(60)}`, "a".repeat(63), "0", "a--b.c"])
    assert.equal(isRegion(region), true, region);
  for (const region of ["a.b.c.d.e.f.g", `eu.${"a".repeat(61)}`, "a".repeat(64)])
    assert.equal(isRegion(region), false, region);
});

test("whatever passes as a region, each region around it passes too, and all scopes of a site there are scopes", () => {
  const almost = fc.string({ unit: fc.constantFrom("a", "z", "0", "9", "-", ".", "."), maxLength: 14 });
  const anything = fc.oneof(
    almost,
    fc.string(),
    fc.array(part, { maxLength: 7 }).map((all) => all.join(".")),
  );
  fc.assert(
    fc.property(anything, (region) => {
      fc.pre(isRegion(region));
      assert.ok(regionsAround(region).every(isRegion), region);
      assert.ok(scopesOf({ site: "oslo", region }).every(isScope), region);
    }),
  );
});

test("what a part may not be is refused with the field, the value and an example", () => {
  for (const region of [
    "",
    ".",
    "eu.",
    ".eu",
    "eu..de",
    "eu.-de",
    "eu-.de",
    "EU.de",
    "eu de",
    "eu/de",
    "é",
  ]) {
    assert.equal(isRegion(region), false, region);
    assert.throws(
      () => checkRegion("the region", region),
      (error: unknown) => {
        assert(error instanceof IdentityError && error.failure.type === "invalid");
        assert.ok(
          error.failure.detail.startsWith(`the region ${JSON.stringify(region)} is not a region: use `),
        );
        assert.match(error.failure.detail, /for example eu\.de\.south/);
        return true;
      },
    );
  }
});
