import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { utf8 } from "./bytes.ts";
import { canonical, equalJson, isList, isObject, jsonBytes, parseJson, type Json } from "./json.ts";

/** `-0` is written as `0`, so it is left out. */
const json = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.parse(JSON.stringify(value)) as Json);

/** The same value with its keys inserted in the opposite order. */
function reversed(value: Json): Json {
  if (isList(value)) return value.map(reversed);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, field]) => [key, reversed(field)] as const);
  return Object.fromEntries(entries.reverse());
}

test("any value reads back from its bytes", () => {
  fc.assert(fc.property(json, (value) => assert.deepEqual(parseJson(jsonBytes(value)), value)));
});

test("equal values have equal text, in whatever order their keys came", () => {
  fc.assert(
    fc.property(json, (value) => {
      assert.equal(canonical(reversed(value)), canonical(value));
      assert.ok(equalJson(reversed(value), value));
    }),
  );
});

test("the text has sorted keys, no spaces, and lists in their own order", () => {
  const value: Json = { b: [2, 1, { d: null, c: true }], a: "x y", B: -1.5, 10: "ten", 9: "nine" };
  assert.equal(canonical(value), '{"10":"ten","9":"nine","B":-1.5,"a":"x y","b":[2,1,{"c":true,"d":null}]}');
});

test("keys are sorted by UTF-16 unit, not by language", () => {
  assert.equal(canonical({ ä: 1, z: 2, a: 3, Z: 4 }), '{"Z":4,"a":3,"z":2,"ä":1}');
});

test("values that differ anywhere are unequal, and undefined equals only itself", () => {
  fc.assert(
    fc.property(json, json, (left, right) => {
      assert.equal(equalJson(left, right), canonical(left) === canonical(right));
      assert.ok(!equalJson({ value: left }, { value: left, more: null }));
      assert.ok(!equalJson([left], [left, left]));
    }),
  );
  assert.ok(equalJson(undefined, undefined));
  assert.ok(!equalJson(undefined, null));
  assert.ok(!equalJson(null, undefined));
  assert.ok(!equalJson("1", 1));
  assert.ok(!equalJson([], {}));
});

test("bytes that are not one JSON value, or not UTF-8, give undefined", () => {
  for (const text of ["", "{", "[1,]", "{'a':1}", "nul", "1 2", "NaN", "\uFEFF1", "{} x", '"\n"'])
    assert.equal(parseJson(utf8(text)), undefined, text);
  assert.equal(parseJson(new Uint8Array([0x22, 0xff, 0x22])), undefined);
});

test("nothing but JSON comes out of arbitrary bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const value = parseJson(bytes);
      if (value !== undefined) assert.ok(equalJson(parseJson(jsonBytes(value)), value));
    }),
  );
});

const nested = (depth: number): Uint8Array => utf8("[".repeat(depth) + "]".repeat(depth));

test("64 levels are read, 65 are not, and a million do not cost a stack", () => {
  assert.ok(parseJson(nested(64)) !== undefined);
  assert.equal(parseJson(nested(65)), undefined);
  assert.equal(parseJson(nested(1_000_000)), undefined);
  assert.equal(parseJson(utf8('{"a":'.repeat(65) + "1" + "}".repeat(65))), undefined);
});

test("a caller's own depth bound holds: 3 levels pass a bound of 3 and fail one of 2", () => {
  assert.ok(parseJson(nested(3), 3) !== undefined);
  assert.equal(parseJson(nested(3), 2), undefined);
});

test("siblings do not add up to depth, and brackets in strings do not count", () => {
  const siblings = Array.from({ length: 200 }, () => [[]]);
  assert.deepEqual(parseJson(jsonBytes(siblings)), siblings);
  const quoted = { '[[["': '{{{\\"[[', list: ["[".repeat(200)] };
  assert.deepEqual(parseJson(jsonBytes(quoted), 2), quoted);
});

test("a key named __proto__ is an ordinary own key, and is not lost on the way", () => {
  const value = JSON.parse('{"__proto__":{"polluted":true}}') as Json;
  const read = parseJson(jsonBytes(value));
  assert.ok(isObject(read) && Object.hasOwn(read, "__proto__"));
  assert.equal(({} as { readonly polluted?: boolean }).polluted, undefined);
});

test("an object is neither null nor a list, and a list is no object", () => {
  assert.ok(isObject({}));
  for (const value of [null, [], "", 0, false, undefined]) assert.ok(!isObject(value));
  assert.ok(isList([]));
  for (const value of [{}, null, "", undefined]) assert.ok(!isList(value));
});
