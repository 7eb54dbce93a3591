import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../kernel/json.ts";
import { copiedBytesMax, jsonPatch, mergePatch, operationsMax } from "./patch.ts";

test("a merge patch does what the table in RFC 7386, appendix A says", () => {
  const table: readonly (readonly [Json, Json, Json])[] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of table) assert.deepEqual(mergePatch(target, patch), expected);
});

test("a patch never reaches a prototype", () => {
  const hostile = JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"x": 1}}') as Json;
  const merged = mergePatch({}, hostile) as object;
  assert.equal(Object.getPrototypeOf(merged), Object.prototype);
  const added = jsonPatch({}, [{ op: "add", path: "/__proto__", value: { polluted: true } }]);
  assert.ok(added.ok);
  assert.equal(Object.getPrototypeOf(added.value), Object.prototype);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  assert.equal(jsonPatch({}, [{ op: "replace", path: "/toString", value: 1 }]).ok, false);
});

const patched = (target: Json, ...operations: Json[]): Json | string => {
  const result = jsonPatch(target, operations);
  return result.ok ? result.value : `${result.error[0]?.field} ${result.error[0]?.problem}`;
};

test("a JSON patch does what the examples of RFC 6902, appendix A say", () => {
  assert.deepEqual(patched({ foo: "bar" }, { op: "add", path: "/baz", value: "qux" }), {
    foo: "bar",
    baz: "qux",
  });
  assert.deepEqual(patched({ foo: ["bar", "baz"] }, { op: "add", path: "/foo/1", value: "qux" }), {
    foo: ["bar", "qux", "baz"],
  });
  assert.deepEqual(patched({ baz: 1, foo: 2 }, { op: "remove", path: "/baz" }), { foo: 2 });
  assert.deepEqual(patched({ foo: [1, 2, 3] }, { op: "remove", path: "/foo/1" }), { foo: [1, 3] });
  assert.deepEqual(patched({ foo: 1 }, { op: "replace", path: "/foo", value: 2 }), { foo: 2 });
  assert.deepEqual(
    patched(
      { foo: { bar: "baz", waldo: "fred" }, qux: {} },
      { op: "move", from: "/foo/waldo", path: "/qux/thud" },
    ),
    { foo: { bar: "baz" }, qux: { thud: "fred" } },
  );
  assert.deepEqual(patched({ foo: [1, 2, 3] }, { op: "move", from: "/foo/0", path: "/foo/2" }), {
    foo: [2, 3, 1],
  });
  assert.deepEqual(patched({ a: [1] }, { op: "add", path: "/a/-", value: [2] }), { a: [1, [2]] });
  assert.deepEqual(patched({ "/": 9, "~1": 10 }, { op: "test", path: "/~01", value: 10 }), {
    "/": 9,
    "~1": 10,
  });
  assert.deepEqual(patched({ a: 1 }, { op: "copy", from: "/a", path: "/b" }), { a: 1, b: 1 });
  assert.deepEqual(patched({ a: 1 }, { op: "replace", path: "", value: [1] }), [1]);
});

test("a JSON patch that cannot be done says which operation, and changes nothing", () => {
  const target = { a: [1] };
  const nothing = "there is nothing at";
  assert.equal(patched(target, { op: "add", path: "/x/y", value: 1 }), `patch[0] ${nothing} /x/y`);
  assert.equal(patched(target, { op: "remove", path: "/a/01" }), `patch[0] ${nothing} /a/01`);
  assert.equal(patched(target, { op: "add", path: "/a/2", value: 1 }), `patch[0] ${nothing} /a/2`);
  assert.equal(patched(target, { op: "remove", path: "/a/-" }), `patch[0] ${nothing} /a/-`);
  assert.equal(
    patched(target, { op: "move", from: "/a", path: "/a/0" }),
    "patch[0] a value cannot be moved into itself",
  );
  assert.equal(patched(target, { op: "add", path: "/b" }), "patch[0] value is missing");
  assert.equal(patched(target, { op: "grow", path: "/b" }), 'patch[0] op "grow" is unknown');
  assert.equal(patched(target, { op: "test", path: "/b", value: 1 }), "patch[0] the value there is another");
  assert.equal(patched(target, { op: "add", path: "b", value: 1 }), "patch[0] path is not a JSON pointer");
  assert.equal(
    patched(target, { op: "remove", path: "/a/0" }, { op: "test", path: "/a/0", value: 1 }),
    "patch[1] the value there is another",
  );
  assert.deepEqual(target, { a: [1] });
});

test("copies that would double a document 40 times are refused", () => {
  const doubling = Array.from({ length: 40 }, () => ({ op: "copy", from: "/a", path: "/a/-" }));
  assert.match(String(patched({ a: ["x".repeat(1000)] }, ...doubling)), /copies too much/);
  assert.ok(copiedBytesMax < 4e6);
  const many = Array.from({ length: operationsMax + 1 }, () => ({ op: "test", path: "/a", value: 1 }));
  assert.equal(jsonPatch({ a: 1 }, many).ok, false);
});
