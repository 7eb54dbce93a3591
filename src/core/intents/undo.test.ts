import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { jsonBytes } from "../kernel/json.ts";
import { readIntentBody, writeIntentBody } from "./body.ts";
import { historyOf, type KnownWrite } from "./history.ts";
import { pastBytesMax, pastPerFieldMax, writePast } from "./past.ts";
import { at, configMap, configMapRef, deployment, deploymentRef, put, Testbed } from "./testbed.ts";
import type { UndoWish } from "./undo.ts";

/** What the records still tell of earlier writes, and taking writes back. */

const containers = "spec/template/spec/containers";

const history = (bed: Testbed, node = 0): readonly KnownWrite[] => historyOf(bed.kind, bed.entries(node));

function scaled(...replicas: readonly number[]): Testbed {
  const bed = new Testbed(deploymentRef, 2);
  bed.apply(0, deployment(), { manager: "shop", actor: "ann" });
  for (const count of replicas) {
    bed.syncAll();
    bed.edit(count % 2, "spec/replicas", count, { manager: "console", actor: `user ${count}` });
  }
  bed.syncAll();
  return bed;
}

const refusal = (bed: Testbed, wish: UndoWish = {}): unknown => {
  const planned = bed.planUndo(0, wish);
  return planned.ok ? "planned" : planned.error.type;
};

test("the history names who wrote what, newest first, and what each write found", () => {
  const bed = scaled(2, 3, 4);
  const shown = history(bed).map(({ actor, first, fields }) => ({
    actor,
    first,
    replicas: fields.find(({ path }) => path === "spec.replicas"),
  }));
  const known = (value: number | undefined): unknown => ({ type: "known", value });
  const field = (value: number, stands: boolean, before: unknown): unknown => ({
    path: "spec.replicas",
    op: "set",
    value,
    place: false,
    stands,
    before,
  });
  assert.deepEqual(shown, [
    { actor: "user 4", first: false, replicas: field(4, true, known(3)) },
    { actor: "user 3", first: false, replicas: field(3, false, known(2)) },
    { actor: "user 2", first: false, replicas: field(2, false, known(undefined)) },
    { actor: "ann", first: true, replicas: undefined },
  ]);
  assert.deepEqual(history(bed, 1), history(bed, 0));
});

test("undo writes back what the newest write found, and undo again takes the undo back", () => {
  const bed = scaled(2, 3, 4);
  bed.undo(0);
  assert.equal(at(bed.value(0), "spec/replicas"), 3);
  bed.undo(0);
  assert.equal(at(bed.value(0), "spec/replicas"), 4);
});

test("undo takes a field back that the newest write had added", () => {
  const bed = scaled(2);
  bed.undo(0);
  assert.equal(at(bed.value(0), "spec/replicas"), undefined);
});

test("undo of a field leaves everything else as it is", () => {
  const bed = scaled(2, 3);
  bed.edit(0, `${containers}/0/image`, "web:2");
  bed.undo(0, { field: "spec.replicas" });
  assert.equal(at(bed.value(0), "spec/replicas"), 2);
  assert.equal(at(bed.value(0), `${containers}/0/image`), "web:2");
});

test("undo to a version brings back what the object was then", () => {
  const bed = scaled(2, 3);
  const [then] = history(bed);
  assert.ok(then !== undefined);
  const before = bed.value(0);
  bed.edit(0, `${containers}/0/image`, "web:2");
  bed.edit(1, "spec/replicas", 9);
  bed.edit(0, `${containers}/1`, { name: "log", image: "log:1" });
  bed.syncAll();
  bed.undo(1, { to: then.version });
  bed.syncAll();
  assert.deepEqual(bed.value(0), before);
});

test("an added container goes as a whole, a removed one comes back with all that was in it", () => {
  const bed = scaled(2);
  const log = { name: "log", image: "log:1", args: ["-v"] };
  bed.edit(0, `${containers}/1`, log);
  bed.undo(0);
  assert.deepEqual(at(bed.value(0), containers), [{ name: "web", image: "web:1" }]);
  bed.undo(0);
  assert.deepEqual(at(bed.value(0), `${containers}/1`), log);
  bed.edit(0, `${containers}/1`, undefined);
  bed.undo(0);
  assert.deepEqual(at(bed.value(0), `${containers}/1`), log);
});

test("the write that made the object is not undone but deleted; a deletion is undone", () => {
  const bed = scaled();
  assert.equal(refusal(bed), "made-it");
  const before = bed.value(0);
  bed.delete(1);
  bed.syncAll();
  assert.equal(refusal(bed, { field: "spec.replicas" }), "deleted");
  bed.undo(0);
  bed.syncAll();
  assert.deepEqual(bed.value(1), before);
  assert.deepEqual(bed.merged(1)?.conflicts, []);
  const again = bed.apply(1, deployment([{ name: "web", image: "web:2" }]), { manager: "shop" });
  assert.equal(again.type, "written");
});

test("undo does not touch what somebody else wrote since", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.update(0, configMap({ a: "0", b: "0" }));
  bed.update(0, configMap({ a: "1", b: "1" }), { manager: "one" });
  bed.edit(0, "data/a", "2", { manager: "two" });
  bed.undo(0, { field: "data.b" });
  assert.deepEqual(at(bed.value(0), "data"), { a: "2", b: "0" });
});

test("of one field the last 4 overwritten values are remembered, older ones are said to be forgotten", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.update(0, configMap({ a: "0" }));
  for (let count = 1; count <= 6; count++) bed.edit(0, "data/a", `${count}`);
  const values = history(bed).flatMap(({ fields }) => fields.map(({ value }) => value));
  assert.deepEqual(values, ["6", "5", "4", "3", "2"]);
  assert.equal(values.length, pastPerFieldMax + 1);
  const oldest = history(bed).at(-2);
  bed.undo(0, { to: oldest?.version });
  assert.equal(at(bed.value(0), "data/a"), "2");
});

test("a value that does not fit the bound is forgotten, and undo says so instead of guessing", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.update(0, configMap({ a: "x".repeat(pastBytesMax), b: "0" }));
  bed.update(0, configMap({ a: "1", b: "1" }));
  assert.equal(refusal(bed), "forgotten");
  assert.equal(refusal(bed, { field: "data.a" }), "forgotten");
  bed.undo(0, { field: "data.b" });
  assert.deepEqual(at(bed.value(0), "data"), { a: "1", b: "0" });
});

test("a version that is not known, and a field that nobody wrote, are refused with what there is", () => {
  const bed = scaled(2);
  assert.equal(refusal(bed, { to: 5 }), "unknown-version");
  assert.equal(refusal(bed, { field: "spec.wings" }), "unknown-field");
  assert.equal(refusal(new Testbed(configMapRef, 1)), "not-found");
});

test("a new life of an object begins without the past of the last one", () => {
  const bed = scaled(2, 3);
  bed.delete(0);
  bed.update(0, put(deployment(), "spec/replicas", 7));
  assert.equal(refusal(bed), "made-it");
});

const edits = fc.array(
  fc.record({
    node: fc.nat(1),
    key: fc.constantFrom("a", "b", "c"),
    value: fc.option(fc.oneof(fc.string({ maxLength: 6 }), fc.string({ minLength: 900, maxLength: 1500 })), {
      nil: undefined,
    }),
  }),
  { minLength: 1, maxLength: 20 },
);

test("what is remembered never exceeds its bounds and survives being written and read", () => {
  fc.assert(
    fc.property(edits, (steps) => {
      const bed = new Testbed(configMapRef, 2);
      bed.update(0, configMap({ a: "0" }));
      for (const { node, key, value } of steps) {
        bed.edit(node, `data/${key}`, value);
        bed.syncAll();
      }
      for (const { body } of bed.history) {
        const past = body.past ?? [];
        assert.ok(jsonBytes(writePast(past)).length <= pastBytesMax);
        const counts = new Map<string, number>();
        for (const { fields } of past) {
          for (const path of new Set(fields.map((field) => field.path)))
            counts.set(path, (counts.get(path) ?? 0) + 1);
        }
        assert.ok([...counts.values()].every((count) => count <= pastPerFieldMax));
        assert.deepEqual(readIntentBody(writeIntentBody(body)), body);
      }
    }),
  );
});

test("undo gives exactly what was there before, or refuses", () => {
  fc.assert(
    fc.property(edits, (steps) => {
      const bed = new Testbed(configMapRef, 2);
      bed.update(0, configMap({ a: "0" }));
      for (const { node, key, value } of steps) {
        bed.syncAll();
        const before = bed.value(node);
        if (bed.edit(node, `data/${key}`, value).type !== "written") continue;
        bed.syncAll();
        const planned = bed.planUndo(1 - node);
        if (!planned.ok) continue;
        bed.write(1 - node, planned.value.change);
        bed.syncAll();
        assert.deepEqual({ ...(at(bed.value(0), "data") as {}) }, { ...(at(before, "data") as {}) });
        bed.undo(node);
      }
    }),
  );
});

test("undo to a write that lost a race brings its value back, not the one before the race", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "0" }));
  bed.syncAll();
  bed.edit(0, "data/a", "1", { actor: "ann" });
  bed.edit(1, "data/a", "2");
  bed.syncAll();
  bed.resolve(1, "data.a", { type: "value", value: "3" });
  bed.syncAll();
  const lost = history(bed).find(({ actor }) => actor === "ann");
  bed.undo(0, { to: lost?.version });
  assert.equal(at(bed.value(0), "data/a"), "1");
});

test("undo to any known version gives exactly what the object was then, or refuses", () => {
  let done = 0;
  fc.assert(
    fc.property(edits, fc.nat(30), (steps, pick) => {
      const bed = new Testbed(configMapRef, 2);
      bed.update(0, configMap({ a: "0" }));
      const shown = new Map([[bed.merged(0)?.version, bed.value(0)]]);
      for (const { node, key, value } of steps) {
        bed.syncAll();
        bed.edit(node, `data/${key}`, value);
        shown.set(bed.merged(node)?.version, bed.value(node));
      }
      bed.syncAll();
      const known = history(bed);
      const to = known[pick % known.length]?.version;
      const planned = bed.planUndo(0, { to });
      if (!planned.ok) return;
      done++;
      bed.write(0, planned.value.change);
      assert.deepEqual({ ...(at(bed.value(0), "data") as {}) }, { ...(at(shown.get(to), "data") as {}) });
    }),
    { numRuns: 400 },
  );
  assert.ok(done > 80, `only ${done} of 400 were undone`);
});

test("undo to a version refuses where the value then is forgotten, also when the field is gone since", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "0" }));
  const write = (node: 0 | 1, key: string, value?: string): void => {
    bed.syncAll();
    bed.edit(node, `data/${key}`, value);
  };
  write(0, "a");
  write(0, "c", "x");
  const to = bed.merged(0)?.version;
  write(0, "a", "x");
  // More writes of one field than a record remembers; then its first author writes something else.
  for (const value of [undefined, "y", undefined]) write(1, "c", value);
  write(0, "a");
  for (const value of ["x", undefined]) write(1, "c", value);
  write(0, "a", "y");
  bed.syncAll();
  const planned = bed.planUndo(0, { to });
  assert.deepEqual(planned.ok ? planned : planned.error, { type: "forgotten", fields: ["data.c"], more: 0 });
});

test("the side that lost a conflict stays in the history after the conflict is ended", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "0" }));
  bed.syncAll();
  bed.edit(0, "data/a", "1", { actor: "ann" });
  bed.edit(1, "data/a", "2", { actor: "bob" });
  bed.syncAll();
  bed.resolve(0, "data.a", { type: "take", side: 0 });
  const told = history(bed).map(({ actor, fields }) => [actor, fields[0]?.value, fields[0]?.stands]);
  assert.deepEqual(told, [
    ["someone", "2", true],
    ["bob", "2", false],
    ["ann", "1", false],
    ["someone", "0", false],
  ]);
  bed.syncAll();
  bed.edit(1, "data/a", "3");
  bed.undo(1);
  assert.equal(at(bed.value(1), "data/a"), "2");
});

test("a past that is not well formed is left out, and the record counts all the same", () => {
  const body = { class: "user", writes: [], fields: {} };
  for (const past of [
    "x",
    [[1]],
    [[1, 1, [["data.a", 5, "x"]]]],
    [[1, 1, [["a..b", null]]]],
    [["x".repeat(5000)]],
  ]) {
    const read = readIntentBody({ ...body, past } as never);
    assert.deepEqual(read?.past?.flatMap(({ fields }) => fields) ?? [], []);
    assert.equal(read?.class, "user");
  }
});
