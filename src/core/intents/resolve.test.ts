import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { FieldConflict, ManagerClass } from "./contract.ts";
import { at, configMap, configMapRef, deployment, deploymentRef, put, Testbed } from "./testbed.ts";

/** Conflicts with their base, races of deletions and edits, and how each is ended either way. */

const winner = { type: "take", side: 0 } as const;
const loser = { type: "take", side: 1 } as const;
const containers = "spec/template/spec/containers";
const logItem = 'spec.template.spec.containers[name="log"]';

/** Two nodes that wrote key `a` without knowing of each other, and have met since. */
function racedKey(): Testbed {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "0", b: "0" }));
  bed.syncAll();
  bed.edit(0, "data/a", "1", { actor: "ann" });
  bed.edit(1, "data/a", "2", { actor: "bob" });
  bed.syncAll();
  return bed;
}

function only(bed: Testbed, node = 0): FieldConflict {
  const conflicts = bed.merged(node)?.conflicts ?? [];
  assert.equal(conflicts.length, 1, JSON.stringify(conflicts));
  const [conflict] = conflicts;
  assert.ok(conflict !== undefined);
  return conflict;
}

const noConflicts = (bed: Testbed): void => {
  bed.syncAll();
  for (const node of [0, 1]) assert.deepEqual(bed.merged(node)?.conflicts, []);
};

test("a conflict names both values, the winner, the authors and what was there before", () => {
  const conflict = only(racedKey());
  assert.equal(conflict.path, "data.a");
  assert.deepEqual([conflict.winner.value, conflict.winner.actor], ["2", "bob"]);
  assert.deepEqual([conflict.losers[0]?.value, conflict.losers[0]?.actor], ["1", "ann"]);
  assert.deepEqual([conflict.winner.class, conflict.winner.operation], ["user", "Update"]);
  assert.deepEqual(conflict.base, { type: "known", value: "0" });
});

test("the base is what both sides knew, however often each side wrote since, up to 4 values", () => {
  for (const [writes, base] of [
    [4, { type: "known", value: "0" }],
    [5, { type: "known", value: "0" }],
  ] as const) {
    const bed = racedKey();
    bed.resolve(0, "data.a", { type: "value", value: "0" });
    bed.syncAll();
    bed.edit(1, "data/a", "other");
    for (let count = 1; count <= writes; count++) bed.edit(0, "data/a", `${count}`);
    bed.syncAll();
    assert.deepEqual(only(bed).base, base, `${writes} writes`);
  }
});

test("the base is unknown when neither side remembers back to what both knew", () => {
  const bed = racedKey();
  bed.resolve(0, "data.a", { type: "value", value: "0" });
  bed.syncAll();
  for (let count = 1; count <= 5; count++) {
    bed.edit(0, "data/a", `left ${count}`);
    bed.edit(1, "data/a", `right ${count}`);
  }
  bed.syncAll();
  assert.deepEqual(only(bed).base, { type: "unknown" });
});

test("a field that both sides added was not there before", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ b: "0" }));
  bed.syncAll();
  bed.edit(0, "data/a", "1");
  bed.edit(1, "data/a", "2");
  bed.syncAll();
  assert.deepEqual(only(bed).base, { type: "known", value: undefined });
});

test("taking the winner, the loser or a new value ends the conflict on every node", () => {
  for (const [choice, value] of [
    [winner, "2"],
    [loser, "1"],
    [{ type: "value", value: "9" }, "9"],
  ] as const) {
    const bed = racedKey();
    assert.equal(bed.resolve(0, "data.a", choice).type, "written");
    noConflicts(bed);
    assert.equal(at(bed.value(1), "data/a"), value);
    assert.equal(at(bed.value(1), "data/b"), "0");
  }
});

test("a side that removed the field can be taken", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "0", b: "0" }));
  bed.syncAll();
  bed.edit(0, "data/a", undefined);
  bed.edit(1, "data/a", "2");
  bed.syncAll();
  assert.equal(only(bed).losers[0]?.value, undefined);
  bed.resolve(1, "data.a", loser);
  noConflicts(bed);
  assert.deepEqual(at(bed.value(0), "data"), { b: "0" });
});

test("the chosen side's manager owns the field: its next apply meets no conflict", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.apply(0, configMap({ a: "0" }), { manager: "shop" });
  bed.syncAll();
  bed.apply(0, configMap({ a: "1" }), { manager: "shop" });
  bed.edit(1, "data/a", "2", { manager: "console" });
  bed.syncAll();
  bed.resolve(1, "data.a", loser);
  bed.syncAll();
  assert.equal(bed.apply(0, configMap({ a: "3" }), { manager: "shop" }).type, "written");
  noConflicts(bed);
});

test("two resolutions that did not know of each other are a conflict again, and one more ends it", () => {
  const bed = racedKey();
  bed.resolve(0, "data.a", loser);
  bed.resolve(1, "data.a", { type: "value", value: "9" });
  bed.syncAll();
  assert.deepEqual(
    [only(bed).winner, ...only(bed).losers].map(({ value }) => value),
    ["9", "1"],
  );
  bed.resolve(1, "data.a", winner);
  noConflicts(bed);
});

test("editing one field again and again without concurrency is no conflict, from any node", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "0" }));
  for (const [count, node] of [0, 0, 1, 0, 1, 1].entries()) {
    bed.syncAll();
    bed.edit(node, "data/a", `${count + 1}`);
  }
  noConflicts(bed);
});

/** Node 0 deletes, node 1 edits; `last` says which of them is newer. */
function racedDelete(last: "delete" | "edit"): Testbed {
  const bed = new Testbed(configMapRef, 2);
  bed.apply(0, configMap({ a: "0", b: "0" }), { manager: "shop" });
  bed.syncAll();
  const steps = [
    (): unknown => bed.delete(0, { actor: "ann" }),
    (): unknown => bed.edit(1, "data/a", "2", { actor: "bob" }),
  ];
  for (const step of last === "edit" ? steps : steps.reverse()) step();
  bed.syncAll();
  return bed;
}

test("an edit that raced with an older deletion keeps the object, and both sides are shown", () => {
  const bed = racedDelete("edit");
  const conflict = only(bed);
  assert.equal(bed.merged(0)?.exists, true);
  assert.equal(conflict.path, "(object)");
  assert.deepEqual([conflict.winner.actor, conflict.winner.value], ["bob", { "data.a": "2" }]);
  assert.deepEqual([conflict.losers[0]?.actor, conflict.losers[0]?.value], ["ann", undefined]);
  assert.deepEqual(conflict.base, { type: "known", value: { "data.a": "0" } });
});

test("a deletion that is newer than the edit wins, and the edit is kept and shown", () => {
  const bed = racedDelete("delete");
  assert.equal(bed.merged(1)?.exists, false);
  assert.deepEqual(only(bed).losers[0]?.value, { "data.a": "2" });
  assert.equal(only(bed).winner.actor, "ann");
});

test("a race of deletion and edit is ended either way, whoever was newer, from either node", () => {
  for (const last of ["delete", "edit"] as const) {
    for (const outcome of ["back", "gone"] as const) {
      for (const node of [0, 1]) {
        const bed = racedDelete(last);
        const label = `${last} last, ${outcome}, node ${node}`;
        const stands = last === "delete" ? "gone" : "back";
        const done = bed.resolve(node, "(object)", stands === outcome ? winner : loser);
        assert.equal(done.type, "written", label);
        noConflicts(bed);
        assert.equal(bed.merged(0)?.exists, outcome === "back", label);
        if (outcome === "back") assert.deepEqual(at(bed.value(0), "data"), { a: "2", b: "0" }, label);
      }
    }
  }
});

test("an object that came back belongs to its old manager: the next apply meets no conflict", () => {
  const bed = racedDelete("delete");
  bed.resolve(1, "(object)", loser);
  bed.syncAll();
  assert.equal(bed.apply(0, configMap({ a: "3", b: "0" }), { manager: "shop" }).type, "written");
  assert.equal(at(bed.value(0), "data/a"), "3");
});

test("later edits and deletions after a resolution are ordinary ones", () => {
  for (const last of ["delete", "edit"] as const) {
    const bed = racedDelete(last);
    bed.resolve(0, "(object)", last === "edit" ? winner : loser);
    bed.syncAll();
    bed.edit(1, "data/a", "5");
    bed.edit(1, "data/b", "6");
    noConflicts(bed);
    assert.deepEqual(at(bed.value(0), "data"), { a: "5", b: "6" });
    bed.delete(0);
    noConflicts(bed);
    assert.equal(bed.merged(1)?.exists, false);
  }
});

/** Node 0 removes container `log`, node 1 edits its image. */
function racedItem(last: "remove" | "edit"): Testbed {
  const bed = new Testbed(deploymentRef, 2);
  const log = { name: "log", image: "log:1", args: ["-v"] };
  bed.apply(0, deployment([{ name: "web", image: "web:1" }, log]), { manager: "shop" });
  bed.syncAll();
  const steps = [
    (): unknown => bed.edit(0, `${containers}/1`, undefined),
    (): unknown => bed.edit(1, `${containers}/1/image`, "log:2"),
  ];
  for (const step of last === "edit" ? steps : steps.reverse()) step();
  bed.syncAll();
  return bed;
}

test("the removal of a container that raced with an edit is ended either way", () => {
  for (const last of ["remove", "edit"] as const) {
    for (const outcome of ["back", "gone"] as const) {
      const bed = racedItem(last);
      assert.equal(only(bed).path, logItem);
      const stands = last === "remove" ? "gone" : "back";
      bed.resolve(1, logItem, stands === outcome ? winner : loser);
      noConflicts(bed);
      const log = outcome === "back" ? [{ name: "log", image: "log:2", args: ["-v"] }] : [];
      assert.deepEqual(
        at(bed.value(0), containers),
        [{ name: "web", image: "web:1" }, ...log],
        `${last} last, ${outcome}`,
      );
    }
  }
});

test("a lower class never overwrites a higher one: override over git over user, and the conflict shows it", () => {
  const classes: readonly ManagerClass[] = ["user", "git", "override"];
  for (const [rank, lower] of classes.entries()) {
    for (const higher of classes.slice(rank + 1)) {
      const bed = new Testbed(configMapRef, 2);
      bed.update(0, configMap({ a: "0" }));
      bed.syncAll();
      bed.edit(0, "data/a", "high", { class: higher, manager: "boss" });
      bed.edit(1, "data/a", "low", { class: lower });
      bed.syncAll();
      assert.equal(at(bed.value(1), "data/a"), "high", `${higher} over ${lower}`);
      const conflict = only(bed);
      assert.deepEqual([conflict.winner.class, conflict.losers[0]?.class], [higher, lower]);
      const refused = bed.edit(1, "data/a", "again", { class: lower });
      assert.deepEqual(refused.type === "refused" && refused.error.type, "conflict");
      bed.edit(0, "data/a", "high again", { class: higher, manager: "boss" });
      noConflicts(bed);
    }
  }
});

test("a user cannot take the side of a lower class, and may confirm the higher one", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "0" }));
  bed.syncAll();
  bed.edit(0, "data/a", "high", { class: "git", manager: "flux" });
  bed.edit(1, "data/a", "low");
  bed.syncAll();
  const taken = bed.resolve(1, "data.a", loser);
  assert.ok(taken.type === "refused" && taken.error.type === "conflict");
  assert.deepEqual(taken.error.fields, [{ path: "data.a", manager: "flux", operation: "Update" }]);
  assert.equal(bed.resolve(1, "data.a", winner).type, "written");
  noConflicts(bed);
  assert.equal(at(bed.value(0), "data/a"), "high");
});

test("a value that cannot stand there, and a field that the kind does not have, are refused by name", () => {
  const bed = new Testbed(deploymentRef, 2);
  bed.update(0, put(deployment(), "spec/replicas", 1));
  bed.syncAll();
  for (const node of [0, 1]) bed.edit(node, "spec/replicas", node + 2);
  bed.syncAll();
  for (const value of ["three", -1, null]) {
    const refused = bed.resolve(0, "spec.replicas", { type: "value", value });
    assert.ok(refused.type === "refused" && refused.error.type === "invalid", JSON.stringify(value));
    assert.equal(refused.error.problems[0]?.field, "spec.replicas");
  }
  const fields = [{ path: "spec.wings", value: 2 }];
  const unknown = bed.write(0, {
    type: "set",
    ref: deploymentRef,
    fields,
    manager: "x",
    operation: "Update",
    class: "user",
  });
  assert.ok(unknown.type === "refused" && unknown.error.type === "invalid");
});

test("every conflict of any two islands is ended by taking any side, and none is left", () => {
  const key = fc.constantFrom("a", "b", "c");
  const edit = fc.record({ key, value: fc.option(fc.constantFrom("x", "y"), { nil: undefined }) });
  const island = fc.record({ edits: fc.array(edit, { maxLength: 5 }), deletes: fc.boolean() });
  fc.assert(
    fc.property(island, island, fc.infiniteStream(fc.nat(1)), (left, right, sides) => {
      const bed = new Testbed(configMapRef, 2);
      bed.update(0, configMap({ a: "0", b: "0" }));
      bed.syncAll();
      for (const [node, { edits, deletes }] of [left, right].entries()) {
        for (const { key: name, value } of edits) {
          if (at(bed.value(node), `data/${name}`) !== value) bed.edit(node, `data/${name}`, value);
        }
        if (deletes) bed.delete(node);
      }
      bed.syncAll();
      for (let rounds = 0; rounds < 10; rounds++) {
        const conflict = bed.merged(rounds % 2)?.conflicts[0];
        if (conflict === undefined) break;
        const side = sides.next().value ?? 0;
        bed.resolve(rounds % 2, conflict.path, { type: "take", side });
        bed.syncAll();
      }
      noConflicts(bed);
      assert.deepEqual(bed.merged(0), bed.merged(1));
    }),
    { numRuns: 300 },
  );
});
