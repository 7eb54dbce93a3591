import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { IntentEntry } from "./contract.ts";
import { mergeObject } from "./merge.ts";
import { at, configMap, configMapRef, deployment, deploymentRef, Testbed } from "./testbed.ts";

/** What stands when everything that one member wrote of an object turns out to be void. */

const withoutAuthor = (bed: Testbed, author: number): readonly IntentEntry[] =>
  bed.entries(0).filter((entry) => entry.author !== bed.replica(author).author);

const image = "spec/template/spec/containers/0/image";

test("an image that a void write replaced stands again, although its author wrote of the object since", () => {
  const bed = new Testbed(deploymentRef, 2);
  bed.update(0, deployment());
  bed.sync(0, 1);
  bed.edit(1, image, "web:2");
  bed.sync(0, 1);
  bed.edit(0, "metadata/annotations", { note: "seen" });
  assert.equal(at(bed.value(0), image), "web:2");
  const left = mergeObject(bed.kind, bed.ref, withoutAuthor(bed, 1))?.value;
  assert.equal(at(left, image), "web:1");
  assert.equal(at(left, "metadata/annotations/note"), "seen");
});

test("who scales an object of which a container has only its command left does not take the command away", () => {
  const bed = new Testbed(deploymentRef, 3);
  const command = "spec/template/spec/containers/0/command";
  bed.update(0, deployment());
  bed.sync(0, 1);
  bed.edit(1, command, ["run"]);
  // Its maker's write is void here, and comes back with the next comparison.
  for (const entry of bed.replica(1).held.values())
    if (entry.author !== bed.replica(0).author) bed.take(bed.replica(2), entry);
  assert.deepEqual(at(bed.value(2), "spec/template/spec/containers"), []);
  const torn = bed.edit(2, "spec/replicas", 3);
  assert.equal(torn.type, "written");
  assert.deepEqual(torn.type === "written" ? Object.keys(torn.entry.body.fields) : [], ["spec.replicas"]);
  bed.sync(0, 2);
  assert.deepEqual(at(bed.value(2), command), ["run"]);
  assert.equal(at(bed.value(2), "spec/replicas"), 3);
});

test("a manifest can be applied again to what is left when its maker's word was void, but a whole one keeps its selector", () => {
  const bed = new Testbed(deploymentRef, 3);
  bed.update(0, deployment());
  bed.sync(0, 1);
  bed.edit(1, "spec/replicas", 3);
  for (const entry of bed.replica(1).held.values())
    if (entry.author !== bed.replica(0).author) bed.take(bed.replica(2), entry);
  assert.equal(at(bed.value(2), "spec/selector"), undefined);
  assert.equal(bed.update(2, deployment()).type, "written");
  assert.deepEqual(bed.value(2)["spec"], deployment()["spec"]);
  const refused = bed.edit(2, "spec/selector/matchLabels", { app: "web", more: "x" });
  assert.equal(refused.type, "refused");
});

test("300 fields that were removed after the void write stay away, also those whose removal is forgotten", () => {
  const bed = new Testbed(configMapRef, 3);
  const keys = Array.from({ length: 300 }, (_, number) => `k${1_000 + number}`);
  const given = (value: string, count: number): { readonly [key: string]: string } =>
    Object.fromEntries(keys.slice(0, count).map((key) => [key, value]));
  // The 44 whose removal goes first are those that their first author wrote last.
  bed.update(0, configMap(given("ours", 256)));
  bed.update(0, configMap(given("ours", 300)));
  bed.sync(0, 1);
  bed.update(1, configMap(given("theirs", 300)));
  bed.syncAll();
  bed.update(2, configMap({}));
  bed.syncAll();
  bed.edit(0, "data/last", "word");
  bed.syncAll();
  for (const note of ["one", "two"]) bed.edit(2, "metadata/annotations", { note });
  bed.syncAll();
  const left = mergeObject(bed.kind, bed.ref, withoutAuthor(bed, 1))?.value;
  assert.deepEqual(at(left, "data"), { last: "word" });
});

test("of 300 overwritten fields the 256 that were written last stand again", () => {
  const bed = new Testbed(configMapRef, 2);
  const keys = Array.from({ length: 300 }, (_, number) => `k${number}`);
  const first = keys.map((key): [string, string] => [key, "ours"]);
  bed.update(0, configMap(Object.fromEntries(first.slice(0, 44))));
  bed.update(0, configMap(Object.fromEntries(first)));
  bed.sync(0, 1);
  bed.update(1, configMap(Object.fromEntries(keys.map((key) => [key, "theirs"]))));
  bed.sync(0, 1);
  bed.edit(0, "data/last", "word");
  const left = mergeObject(bed.kind, bed.ref, withoutAuthor(bed, 1))?.value;
  const data = at(left, "data") as { readonly [key: string]: string };
  assert.deepEqual(Object.keys(data).sort(), [...keys.slice(44), "last"].sort());
});

test("whoever's writes are void, each field has the newest value that anybody else gave it, for any history of values", () => {
  const nodes = 3;
  const node = fc.nat(nodes - 1);
  const manager = fc.constantFrom("kubectl", "editor");
  const step = fc.oneof(
    fc.record({ one: node, other: node }),
    fc.record({ at: node, manager, key: fc.constantFrom("a", "b", "c"), value: fc.nat(4) }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), node, (steps, author) => {
      const bed = new Testbed(configMapRef, nodes);
      for (const each of steps) {
        if ("one" in each) bed.sync(each.one, each.other);
        else bed.edit(each.at, `data/${each.key}`, `${each.value}`, { manager: each.manager });
      }
      const expected = newestValues(bed, author);
      bed.syncAll();
      const left = mergeObject(bed.kind, bed.ref, withoutAuthor(bed, author))?.value;
      assert.deepEqual(at(left, "data") ?? {}, expected);
    }),
    { numRuns: 500 },
  );
});

/** By the writes as they were made: the newest of each field that is not the author's. */
function newestValues(bed: Testbed, author: number): { readonly [key: string]: unknown } {
  const newest = new Map<string, { readonly entry: IntentEntry; readonly value: unknown }>();
  for (const entry of bed.history) {
    if (entry.author === bed.replica(author).author) continue;
    for (const [path, field] of Object.entries(entry.body.fields)) {
      const made = entry.body.writes[field.write]?.version === entry.version;
      const before = newest.get(path)?.entry;
      const later =
        before === undefined ||
        entry.version > before.version ||
        (entry.version === before.version && entry.author > before.author);
      if (made && later && field.op === "set") newest.set(path, { entry, value: field.value });
    }
  }
  return Object.fromEntries([...newest].map(([path, { value }]) => [path.split(".").at(-1) ?? path, value]));
}
