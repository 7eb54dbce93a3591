import assert from "node:assert/strict";
import { test } from "node:test";
import { isObject, type JsonObject } from "../kernel/json.ts";
import { conflictMessage } from "./conflict-message.ts";
import { apiVersionOf } from "./kinds/kind.ts";
import { serverSideApply } from "./kubernetes-apply-testbed.ts";
import { atomics, listMaps, refusedByName } from "./kubernetes-lists-testbed.ts";
import { strategicMerge } from "./kubernetes-patch-testbed.ts";
import type { Step } from "./kubernetes-testbed.ts";
import { strategicMergePatch } from "./patch.ts";
import { at, configMapRef, deployment, deploymentRef, Testbed, type Outcome } from "./testbed.ts";

/**
 * The merge examples of Kubernetes' own documentation, each with the place it is taken from:
 *
 *     ssa      kubernetes.io/docs/reference/using-api/server-side-apply
 *     smp      github.com/kubernetes/community, contributors/devel/sig-api-machinery/strategic-merge-patch.md
 *     patch    kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch
 *     declare  kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config
 *     api      kubernetes.io/docs/reference/kubernetes-api, the list and map types of each field
 */

for (const example of [...serverSideApply, ...strategicMerge]) {
  test(`${example.doc}: ${example.says}`, () => {
    const bed = new Testbed(example.ref ?? configMapRef, 1);
    for (const step of example.steps) {
      const { refused } = step;
      const outcome = take(bed, step);
      if (refused === undefined) assert.notEqual(outcome.type, "refused", messageOf(bed, outcome));
      else assert.equal(messageOf(bed, outcome).slice(0, refused.length), refused);
    }
    for (const [path, value] of Object.entries(example.shows ?? {})) {
      assert.deepEqual(at(bed.value(0), path) ?? null, value, path);
    }
    if (example.owns !== undefined) assert.deepEqual(ownersIn(bed), example.owns);
  });
}

for (const { doc, ref, list, whole, part, first, second, rival, conflict } of listMaps) {
  test(`${doc}: two managers hold an item each, and one item is one conflict`, () => {
    const bed = new Testbed(ref, 1);
    for (const step of [
      { by: "a", apply: whole([first]) },
      { by: "b", apply: part([second]) },
    ]) {
      const outcome = take(bed, step);
      assert.equal(outcome.type, "written", messageOf(bed, outcome));
    }
    assert.deepEqual(at(bed.value(0), list), [first, second]);
    const refused = take(bed, { by: "b", apply: part([second, rival]) });
    assert.equal(messageOf(bed, refused), `Apply failed with 1 conflict: conflict with "a": ${conflict}`);
    assert.equal(take(bed, { by: "b", apply: part([]) }).type, "written");
    assert.deepEqual(at(bed.value(0), list), [first]);
  });
}

for (const { doc, ref, field, object, one, other, conflict } of atomics) {
  test(`${doc}: one manager holds all of it, and a forced apply replaces all of it`, () => {
    const bed = new Testbed(ref, 1);
    const applied = take(bed, { by: "a", apply: object(one) });
    assert.equal(applied.type, "written", messageOf(bed, applied));
    const refused = take(bed, { by: "b", apply: object(other) });
    assert.equal(messageOf(bed, refused), `Apply failed with 1 conflict: conflict with "a": ${conflict}`);
    assert.equal(take(bed, { by: "b", apply: object(other), force: true }).type, "written");
    assert.deepEqual(at(bed.value(0), field), other);
  });
}

for (const { doc, field, config } of refusedByName) {
  test(`${doc}: not supported, and refused by name`, () => {
    const bed = new Testbed(deploymentRef, 1);
    const message = messageOf(bed, take(bed, { by: "a", apply: config }));
    assert.ok(message.startsWith(`${field} is not supported`), message);
  });
}

test("api, DeploymentStatus.conditions: map, key type: what clients send as status is dropped", () => {
  const bed = new Testbed(deploymentRef, 1);
  const status = { conditions: [{ type: "Available", status: "True" }] };
  assert.equal(take(bed, { by: "a", apply: { ...deployment(), status } }).type, "written");
  assert.equal(bed.value(0)["status"], undefined);
});

function take(bed: Testbed, step: Step): Outcome {
  const options = { manager: step.by };
  if (step.apply !== undefined) return bed.apply(0, step.apply, { ...options, force: step.force === true });
  if (step.update !== undefined) return bed.update(0, step.update, options);
  const patched = strategicMergePatch(bed.kind.schema, bed.value(0), step.patch ?? {});
  assert.ok(patched.ok);
  return bed.update(0, patched.value, options);
}

function messageOf(bed: Testbed, outcome: Outcome): string {
  if (outcome.type !== "refused") return outcome.type;
  const { error } = outcome;
  if (error.type === "conflict") return conflictMessage(error.fields, apiVersionOf(bed.kind));
  if (error.type !== "invalid") return error.type;
  return error.problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
}

function ownersIn(bed: Testbed): { readonly [manager: string]: JsonObject } {
  const owners = (bed.merged(0)?.managedFields ?? []).map((entry): [string, JsonObject] => {
    const { manager, operation, fieldsV1 } = entry;
    return [`${String(manager)} ${String(operation)}`, isObject(fieldsV1) ? fieldsV1 : {}];
  });
  return Object.fromEntries(owners);
}
