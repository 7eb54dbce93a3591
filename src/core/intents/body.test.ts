import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../kernel/json.ts";
import { fieldsMax, readIntentBody, writeIntentBody, writesMax } from "./body.ts";
import type { IntentBody } from "./contract.ts";

const author = "a".repeat(20);
const good: IntentBody = {
  class: "user",
  writes: [
    { version: 7, seen: { [author]: 5 }, actor: "ann" },
    { version: 9, seen: {}, actor: "ann", deletes: true },
  ],
  fields: {
    "spec.replicas": { op: "set", write: 0, value: 3 },
    "spec.strategy.type": { op: "release", write: 0 },
    'spec.template.spec.containers[name="log"]': { op: "remove", write: 0 },
  },
};

test("a body reads back as it was written", () => {
  assert.deepEqual(readIntentBody(writeIntentBody(good)), good);
});

test("a body with any part that is malformed or too large is not read", () => {
  const write = { version: 7, seen: {}, actor: "ann" };
  const body = (parts: { readonly [name: string]: Json }): Json => ({
    class: "user",
    writes: [write],
    fields: {},
    ...parts,
  });
  assert.ok(readIntentBody(body({})) !== undefined);
  const bad: readonly (Json | undefined)[] = [
    undefined,
    null,
    [],
    "x",
    body({ class: "root" }),
    body({ writes: "x" }),
    body({ writes: [{ ...write, version: -1 }] }),
    body({ writes: [{ ...write, version: 1.5 }] }),
    body({ writes: [{ ...write, actor: "x".repeat(257) }] }),
    body({ writes: [{ ...write, seen: { ["b".repeat(21)]: 1 } }] }),
    body({ writes: Array.from({ length: writesMax + 1 }, () => write) }),
    body({ fields: { "spec.replicas": ["=", 1, 3] } }),
    body({ fields: { "spec.replicas": ["=", 0] } }),
    body({ fields: { "spec.replicas": ["grow", 0] } }),
    body({ fields: { "spec.replicas": ["release", 0, 3] } }),
    body({ fields: { "spec..replicas": ["=", 0, 3] } }),
    body({ fields: { "metadata.labels.__proto__": ["=", 0, "x"] } }),
    body({ writes: [{ ...write, deletes: true }], fields: { "spec.replicas": ["=", 0, 3] } }),
    body({
      fields: Object.fromEntries(
        Array.from({ length: fieldsMax + 1 }, (_, at) => [`data.k${at}`, ["=", 0, ""]]),
      ),
    }),
  ];
  for (const json of bad) assert.equal(readIntentBody(json), undefined, JSON.stringify(json)?.slice(0, 100));
});

test("keys that would reach a prototype make a body unreadable, wherever they are", () => {
  const write = '{"version":7,"seen":{},"actor":"ann"}';
  for (const fields of ['{"__proto__":["=",0,1]}', '{"data":["=",0,{"a":{"__proto__":{"x":1}}}]}']) {
    const json = JSON.parse(`{"class":"user","writes":[${write}],"fields":${fields}}`) as Json;
    assert.equal(readIntentBody(json), undefined, fields);
  }
  const seen = JSON.parse(
    '{"class":"user","writes":[{"version":7,"seen":{"__proto__":3},"actor":"a"}],"fields":{}}',
  ) as Json;
  assert.equal(Object.getPrototypeOf(readIntentBody(seen)?.writes[0]?.seen ?? {}), Object.prototype);
});
