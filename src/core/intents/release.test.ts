import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Change, ManagerClass } from "./contract.ts";
import { classNamed, managerIn, managerProblem } from "./manager.ts";
import { holdersOf } from "./release.ts";
import { at, configMap, configMapRef, deployment, deploymentRef, put, Testbed } from "./testbed.ts";

const override = { manager: "override:night", class: "override" } as const;
const giveUp = (bed: Testbed, node: number): string => {
  const holders = holdersOf(bed.entries(node), ["override"]);
  return holders
    .map((holder) => bed.write(node, { type: "release", ref: bed.ref, ...holder } as Change).type)
    .join();
};
const replicas = (bed: Testbed, node = 0): unknown => at(bed.value(node), "spec/replicas");

test("a manager's name says its class: override:x and git:x have one, all other names are users'", () => {
  const classes = ["override:x", "git:x", "git", "override", "gitops", "x:override:y", "kubectl"].map(
    classNamed,
  );
  assert.deepEqual(classes, ["override", "git", "user", "user", "user", "user", "user"]);
  assert.equal(managerIn("override", "starlight"), "override:starlight");
  assert.equal(managerIn("override", "git:x"), "git:x");
  assert.equal(managerIn("user", "helm"), "helm");
  for (const name of ["override:", "git:"]) assert.match(managerProblem(name) ?? "", /no name/);
});

test("a user's write to a field that an override holds is a conflict that names it, also when forced", () => {
  const bed = new Testbed(deploymentRef, 1);
  bed.apply(0, put(deployment(), "spec/replicas", 3), { manager: "kubectl" });
  bed.edit(0, "spec/replicas", 0, override);
  const expected = [{ path: "spec.replicas", manager: "override:night", operation: "Update" }];
  for (const force of [false, true]) {
    const outcome = bed.apply(0, put(deployment(), "spec/replicas", 3), { manager: "kubectl", force });
    assert.deepEqual(outcome.type === "refused" && outcome.error, {
      type: "conflict",
      ref: deploymentRef,
      fields: expected,
    });
  }
  const edited = bed.edit(0, "spec/replicas", 5, { manager: "console" });
  assert.equal(edited.type === "refused" && edited.error.type, "conflict");
  assert.equal(replicas(bed), 0);
  const managers = bed.merged(0)?.managedFields.map(({ manager }) => manager);
  assert.deepEqual(managers, ["kubectl", "override:night"]);
});

test("a released override gives back what users have there, also after they wrote other fields meanwhile", () => {
  const bed = new Testbed(deploymentRef, 2);
  bed.apply(0, put(deployment(), "spec/replicas", 3), { manager: "kubectl" });
  bed.edit(0, "spec/replicas", 0, override);
  for (let time = 1; time <= 5; time++)
    bed.edit(0, "metadata/annotations", { note: `${time}` }, { manager: "kubectl" });
  bed.syncAll();
  assert.equal(giveUp(bed, 1), "written");
  bed.syncAll();
  for (const node of [0, 1]) assert.equal(replicas(bed, node), 3);
  assert.deepEqual(bed.merged(0)?.conflicts, []);
  assert.deepEqual(holdersOf(bed.entries(0), ["override"]).length === 0 || giveUp(bed, 0), "unchanged");
  assert.equal(bed.edit(0, "spec/replicas", 4, { manager: "console" }).type, "written");
  assert.equal(replicas(bed), 4);
});

test("an override that applies a smaller configuration, or removes a field, gives it back like a release", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.apply(0, configMap({ a: "user", b: "user", c: "user" }), { manager: "kubectl" });
  bed.apply(0, configMap({ a: "night", b: "night", d: "night" }), override);
  assert.deepEqual(bed.value(0)["data"], { a: "night", b: "night", c: "user", d: "night" });
  bed.apply(0, configMap({ b: "night" }), override);
  assert.deepEqual(bed.value(0)["data"], { a: "user", b: "night", c: "user" });
  bed.edit(0, "data/c", undefined, override);
  assert.deepEqual(bed.value(0)["data"], { a: "user", b: "night" });
  const blocked = bed.edit(0, "data/c", "again", { manager: "console" });
  assert.equal(blocked.type, "refused");
  giveUp(bed, 0);
  assert.deepEqual(bed.value(0)["data"], { a: "user", b: "user", c: "user" });
});

test("after all overrides are released a map holds what it would hold had there been none, whatever was written when", () => {
  const key = fc.constantFrom("a", "b", "c");
  const step = fc.record({
    node: fc.nat(1),
    who: fc.constantFrom<ManagerClass>("user", "override"),
    key,
    sync: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
      const [with_, without] = [new Testbed(configMapRef, 2), new Testbed(configMapRef, 2)];
      for (const bed of [with_, without]) {
        bed.apply(0, configMap({ a: "0", b: "0", c: "0" }), { manager: "kubectl" });
        bed.syncAll();
      }
      for (const [number, { node, who, key, sync }] of steps.entries()) {
        const field = `data/${key}`;
        if (who === "override") with_.edit(node, field, `o${number}`, override);
        // What the override refuses was never written; the other bed follows.
        else if (with_.edit(node, field, `u${number}`, { manager: `m${node}` }).type === "written")
          without.edit(node, field, `u${number}`, { manager: `m${node}` });
        if (sync) for (const bed of [with_, without]) bed.syncAll();
      }
      for (const bed of [with_, without]) bed.syncAll();
      giveUp(with_, 1);
      with_.syncAll();
      assert.deepEqual(with_.value(0), without.value(0));
      assert.deepEqual(with_.value(1), without.value(1));
    }),
  );
});
