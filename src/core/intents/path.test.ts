import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Json } from "../kernel/json.ts";
import { deployment as kind, daemonSet } from "./kinds/workloads.ts";
import {
  fieldsV1,
  flatten,
  formatPath,
  leafAt,
  orderLast,
  parsePath,
  unflatten,
  type HeldOrders,
  type Step,
} from "./path.ts";
import { list, listMap, map, object, setOf, text } from "./schema.ts";
import { deployment } from "./testbed.ts";

const shape = object("A bit of everything.", {
  names: setOf("A set.", text("A name.")),
  notes: map("A map.", text("A note.")),
  inner: object("An object.", { words: list("A list.", text("A word.")) }),
  ports: listMap(
    "Items.",
    ["port", "protocol"],
    object("An item.", {
      port: text("A key.", { required: true }),
      protocol: text("A key.", { default: "TCP" }),
      name: text("A value."),
    }),
  ),
});

const name = fc.string({ minLength: 1, maxLength: 8 }).filter((word) => word !== "__proto__");
const step: fc.Arbitrary<Step> = fc.oneof(
  name.map((field): Step => ({ type: "field", name: field })),
  fc
    .dictionary(fc.constantFrom("name", "port"), fc.oneof(fc.string(), fc.integer()), { minKeys: 1 })
    .map((key): Step => ({ type: "item", key: { ...key } })),
  fc.string().map((value): Step => ({ type: "member", value })),
);

test("a path reads back as the steps it was written from, whatever the names", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      assert.deepEqual(parsePath(formatPath(steps)), steps);
    }),
  );
});

test("a path has one spelling only, and never reaches a prototype", () => {
  for (const path of [
    "",
    ".",
    "spec.",
    ".spec",
    'metadata.labels["app"]',
    'spec["__proto__"]',
    "__proto__.x",
    '[__proto__="x"]',
    'containers[name="web"',
    'containers[name= "web"]',
    'ports[protocol="TCP",containerPort=80]',
    "ports[containerPort=080]",
  ]) {
    assert.equal(parsePath(path), undefined, path);
  }
});

test("a path reads as Kubernetes prints it in conflicts", () => {
  const value = deployment([{ name: "web", image: "web:1", ports: [{ containerPort: 80 }] }]);
  const leaves = flatten(kind.schema, {
    ...value,
    metadata: { labels: { "app.kubernetes.io/name": "web" } },
  });
  assert.deepEqual(
    [...leaves.keys()].sort(),
    [
      'metadata.labels["app.kubernetes.io/name"]',
      "spec.selector.matchLabels.app",
      'spec.template.spec.containers[name="web"]',
      'spec.template.spec.containers[name="web"].image',
      'spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]',
      "spec.template.metadata.labels.app",
    ].sort(),
  );
});

test("an object comes back from its leaves, with empty parts and in the order of its lists", () => {
  const values: Json[] = [
    {},
    { notes: {}, names: [], ports: [], inner: {} },
    { names: ["c", "a", "b"], notes: { z: "1", "a.b/c": "2" }, inner: { words: ["y", "x", "y"] } },
    {
      ports: [
        { port: "9", protocol: "UDP", name: "x" },
        { port: "1", protocol: "TCP" },
      ],
    },
  ];
  for (const value of values) assert.deepEqual(unflatten(shape, flatten(shape, value)) ?? {}, value);
});

test("a key that is missing counts with its default", () => {
  const leaves = flatten(shape, { ports: [{ port: "1" }] });
  assert.deepEqual([...leaves.keys()], ['ports[port="1",protocol="TCP"]']);
});

test("an insertion between 2 items gives a number to the new one alone", () => {
  const held = flatten(shape, { names: ["a", "b"] });
  const next = flatten(shape, { names: ["a", "x", "b"] }, orders(held));
  assert.deepEqual(Object.fromEntries(next), { 'names[="a"]': 0, 'names[="x"]': 0.5, 'names[="b"]': 1 });
});

test("an item added behind items that are not mentioned goes behind them all", () => {
  const held = new Map([
    ['names[="a"]', 0],
    ['names[="b"]', 7],
  ]);
  const next = flatten(shape, { names: ["a", "x"] }, { of: (path) => held.get(path), largestIn: () => 7 });
  assert.equal(next.get('names[="x"]'), 8);
});

test("an item that had lost its place gets one before the item it is put before", () => {
  const held = new Map([
    ['names[="a"]', 0],
    ['names[="lost"]', orderLast],
  ]);
  const next = flatten(shape, { names: ["lost", "a"] }, orders(held));
  assert.deepEqual(Object.fromEntries(next), { 'names[="lost"]': -0.5, 'names[="a"]': 0 });
});

test("a list in any new order comes back in that order", () => {
  const letters = fc.shuffledSubarray(["a", "b", "c", "d", "e"]);
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 8 }), (lists) => {
      let held: ReadonlyMap<string, Json> = new Map();
      for (const names of lists) {
        held = flatten(shape, { names }, orders(held));
        assert.deepEqual(unflatten(shape, held), { names });
      }
    }),
  );
});

test("the key of an item is no leaf of its own, and neither is anything inside an atomic one", () => {
  const leaf = (path: string): unknown => leafAt(shape, parsePath(path) ?? [])?.type;
  assert.equal(leaf('ports[port="1",protocol="TCP"].name'), "value");
  assert.equal(leaf('ports[port="1",protocol="TCP"]'), "order");
  assert.equal(leaf('ports[port="1",protocol="TCP"].port'), undefined);
  assert.equal(leaf('ports[port="1"]'), undefined);
  assert.equal(leaf("inner.words"), "value");
  assert.equal(leaf("inner"), "empty");
  assert.equal(leaf('inner.words[="x"]'), undefined);
  assert.equal(leaf("hasOwnProperty"), undefined);
  const inSelector = parsePath("spec.template.spec.nodeSelector.disk") ?? [];
  assert.equal(leafAt(daemonSet.schema, inSelector), undefined);
});

test("fieldsV1 has f: for fields, k: for items with their keys, and a dot for their existence", () => {
  const { metadata: _, ...value } = deployment([{ name: "web", image: "web:1" }]);
  const leaves = flatten(kind.schema, value);
  assert.deepEqual(fieldsV1(leaves.keys()), {
    "f:spec": {
      "f:selector": { "f:matchLabels": { "f:app": {} } },
      "f:template": {
        "f:metadata": { "f:labels": { "f:app": {} } },
        "f:spec": {
          "f:containers": { 'k:{"name":"web"}': { ".": {}, "f:name": {}, "f:image": {} } },
        },
      },
    },
  });
  assert.deepEqual(fieldsV1(['names[="a"]']), { "f:names": { 'v:"a"': {} } });
});

function orders(held: ReadonlyMap<string, Json>): HeldOrders {
  return { of: (path) => held.get(path) as number | undefined, largestIn: () => undefined };
}
