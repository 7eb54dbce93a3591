import assert from "node:assert/strict";
import { test } from "node:test";
import { formatOf } from "./output.ts";

test("a format that a command does not print is refused with those that it prints", () => {
  assert.equal(formatOf(undefined), "table");
  assert.equal(formatOf("wide"), "wide");
  assert.equal(formatOf("dot", ["json", "yaml", "dot"]), "dot");
  assert.throws(() => formatOf("wide", ["json", "yaml", "dot"]), /-o wide: use json, yaml or dot$/);
  assert.throws(() => formatOf("yml"), /-o yml: use json, yaml or wide$/);
  assert.throws(() => formatOf("name"), /-o name: use json, yaml or wide$/);
});
