import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../kernel/json.ts";
import {
  at,
  configMap,
  configMapRef,
  deployment,
  deploymentRef,
  put,
  Testbed,
  type Outcome,
} from "./testbed.ts";

/** The examples of kubernetes.io/docs/reference/using-api/server-side-apply, and what follows from them. */

const containers = "spec/template/spec/containers";

function problems(outcome: Outcome): readonly string[] {
  assert.ok(outcome.type === "refused" && outcome.error.type === "invalid", outcome.type);
  return outcome.error.problems.map(({ field, problem }) => `${field} ${problem}`);
}

function conflicts(outcome: Outcome): readonly string[] {
  assert.ok(outcome.type === "refused" && outcome.error.type === "conflict", outcome.type);
  return outcome.error.fields.map(({ path, manager }) => `${path} ${manager}`);
}

const config = (count: number, data: JsonObject = { key: `${count}` }): JsonObject => configMap(data);

test("applying what another manager set otherwise is a conflict that names field and manager", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.apply(0, config(1), { manager: "kubectl" });
  bed.sync(0, 1);
  assert.deepEqual(conflicts(bed.apply(1, config(2), { manager: "robot" })), ["data.key kubectl"]);
  assert.equal(bed.history.length, 1);
});

test("a forced apply takes the field over, and its first owner then meets the conflict", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.apply(0, config(1), { manager: "kubectl" });
  bed.apply(0, config(2), { manager: "robot", force: true });
  assert.equal(at(bed.value(0), "data/key"), "2");
  assert.deepEqual(owners(bed, "f:key"), ["robot"]);
  assert.deepEqual(conflicts(bed.apply(0, config(1), { manager: "kubectl" })), ["data.key robot"]);
});

test("two managers that apply the same value share the field, and it stays until the last drops it", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.apply(0, config(1), { manager: "kubectl" });
  bed.apply(0, config(1), { manager: "robot" });
  assert.deepEqual(owners(bed, "f:key"), ["kubectl", "robot"]);
  bed.apply(0, configMap({}), { manager: "kubectl" });
  assert.equal(at(bed.value(0), "data/key"), "1");
  assert.deepEqual(owners(bed, "f:key"), ["robot"]);
  bed.apply(0, configMap({}), { manager: "robot" });
  assert.equal(at(bed.value(0), "data/key"), undefined);
});

test("a field that was taken over and then dropped is gone: the value it replaced does not come back", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.apply(0, config(1), { manager: "kubectl" });
  bed.apply(0, config(2), { manager: "robot", force: true });
  bed.apply(0, configMap({}), { manager: "robot" });
  assert.equal(at(bed.value(0), "data/key"), undefined);
});

test("a manager that lost a field does not own it again because a third one wrote the same value", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.apply(0, config(1), { manager: "first" });
  bed.apply(0, config(2), { manager: "second", force: true });
  bed.apply(0, config(1), { manager: "third", force: true });
  assert.deepEqual(owners(bed, "f:key"), ["third"]);
});

test("a higher class needs no force to take a field over", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.apply(0, config(1), { manager: "kubectl" });
  assert.equal(bed.apply(0, config(2), { manager: "git", class: "git" }).type, "written");
  assert.equal(at(bed.value(0), "data/key"), "2");
});

test("the documented hand-over: a scaler takes replicas, the applier drops it, and the value stays", () => {
  const bed = new Testbed(deploymentRef, 2);
  bed.apply(0, put(deployment(), "spec/replicas", 3), { manager: "kubectl" });
  bed.sync(0, 1);
  bed.edit(1, "spec/replicas", 8, { manager: "scaler" });
  bed.sync(0, 1);
  const again = bed.apply(0, put(deployment(), "spec/replicas", 3), { manager: "kubectl" });
  assert.deepEqual(conflicts(again), ["spec.replicas scaler"]);
  bed.apply(0, deployment(), { manager: "kubectl" });
  bed.sync(0, 1);
  assert.equal(at(bed.value(0), "spec/replicas"), 8);
});

test("what one name applied and what it updated are two configurations", () => {
  const bed = new Testbed(deploymentRef, 1);
  bed.apply(0, deployment(), { manager: "kubectl" });
  bed.edit(0, "spec/replicas", 8, { manager: "kubectl" });
  bed.apply(0, deployment(), { manager: "kubectl" });
  assert.equal(at(bed.value(0), "spec/replicas"), 8);
  const managed = bed.merged(0)?.managedFields.map(({ manager, operation }) => [manager, operation]);
  assert.deepEqual(managed, [
    ["kubectl", "Apply"],
    ["kubectl", "Update"],
  ]);
});

test("the same manager on two nodes is one manager: what one applied the other releases", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.apply(0, configMap({ a: "1", b: "1" }), { manager: "kubectl" });
  bed.sync(0, 1);
  bed.apply(1, configMap({ b: "2" }), { manager: "kubectl" });
  bed.sync(0, 1);
  assert.deepEqual(at(bed.value(0), "data"), { b: "2" });
  assert.deepEqual(bed.merged(0)?.conflicts, []);
});

test("containers are merged by name and their ports by number and protocol", () => {
  const bed = new Testbed(deploymentRef, 1);
  bed.apply(0, deployment([{ name: "web", image: "w", ports: [{ containerPort: 80, protocol: "TCP" }] }]));
  const more = {
    name: "web",
    ports: [{ containerPort: 53, protocol: "UDP" }],
    env: [{ name: "A", value: "1" }],
  };
  const partial = { spec: { template: { spec: { containers: [more, { name: "log", image: "l" }] } } } };
  assert.equal(bed.apply(0, partial, { manager: "other" }).type, "written");
  assert.deepEqual(at(bed.value(0), containers), [
    {
      name: "web",
      image: "w",
      env: [{ name: "A", value: "1" }],
      ports: [
        { containerPort: 80, protocol: "TCP" },
        { containerPort: 53, protocol: "UDP" },
      ],
    },
    { name: "log", image: "l" },
  ]);
});

test("an item that its only manager no longer applies is gone", () => {
  const bed = new Testbed(deploymentRef, 1);
  bed.apply(
    0,
    deployment([
      { name: "web", image: "w" },
      { name: "log", image: "l" },
    ]),
  );
  bed.apply(0, deployment());
  assert.deepEqual(at(bed.value(0), containers), [{ name: "web", image: "web:1" }]);
});

test("dropping a container in which another manager owns a field is refused for what would be missing", () => {
  const bed = new Testbed(deploymentRef, 1);
  bed.apply(
    0,
    deployment([
      { name: "web", image: "w" },
      { name: "log", image: "l" },
    ]),
  );
  bed.edit(0, `${containers}/1/env`, [{ name: "A", value: "1" }]);
  assert.deepEqual(problems(bed.apply(0, deployment([{ name: "web", image: "w" }]))), [
    "spec.template.spec.containers[1].image is missing",
  ]);
});

test("a change that changes nothing is no write", () => {
  const bed = new Testbed(deploymentRef, 2);
  bed.apply(0, deployment(), { manager: "kubectl" });
  bed.sync(0, 1);
  assert.equal(bed.apply(0, deployment(), { manager: "kubectl" }).type, "unchanged");
  assert.equal(bed.apply(1, deployment(), { manager: "kubectl" }).type, "unchanged");
  assert.equal(bed.update(1, bed.value(1)).type, "unchanged");
});

test("an update that sends the shown defaults back writes none of them", () => {
  const bed = new Testbed(deploymentRef, 1);
  bed.update(0, deployment());
  const shown = put(put(bed.value(0), "spec/replicas", 1), "spec/template/spec/restartPolicy", "Always");
  assert.equal(bed.update(0, shown).type, "unchanged");
});

test("only leaves that change get the new write", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.update(0, configMap({ a: "1", b: "1" }));
  const outcome = bed.edit(0, "data/a", "2");
  assert.ok(outcome.type === "written");
  const { writes, fields } = outcome.entry.body;
  const versionOf = (path: string): number | undefined => writes[fields[path]?.write ?? -1]?.version;
  assert.equal(versionOf("data.a"), outcome.entry.version);
  assert.ok((versionOf("data.b") ?? 0) < outcome.entry.version);
});

test("a forced apply settles a live conflict by writing the winning value again", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ a: "1" }));
  bed.sync(0, 1);
  bed.edit(0, "data/a", "2");
  bed.edit(1, "data/a", "3");
  bed.sync(0, 1);
  assert.equal(bed.merged(0)?.conflicts.length, 1);
  bed.apply(0, configMap({ a: "3" }), { manager: "kubectl" });
  bed.apply(0, configMap({ a: "3" }), { manager: "kubectl", force: true });
  assert.deepEqual(bed.merged(0)?.conflicts, []);
});

test("an edit of what a higher class holds is refused, with or without force", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.apply(0, config(1), { manager: "git", class: "git" });
  assert.deepEqual(conflicts(bed.edit(0, "data/key", "2")), ["data.key git"]);
  assert.deepEqual(conflicts(bed.edit(0, "data/key", undefined)), ["data.key git"]);
  assert.deepEqual(conflicts(bed.apply(0, config(2), { manager: "me", force: true })), ["data.key git"]);
  assert.equal(bed.edit(0, "data/other", "2").type, "written");
});

test("create, replace and delete are refused where they make no sense", () => {
  const bed = new Testbed(configMapRef, 1);
  const type = (outcome: Outcome): string => (outcome.type === "refused" ? outcome.error.type : outcome.type);
  assert.equal(type(bed.delete(0)), "not-found");
  assert.equal(type(bed.update(0, config(1), { mode: "replace" })), "not-found");
  assert.equal(type(bed.update(0, config(1), { mode: "create" })), "written");
  assert.equal(type(bed.update(0, config(1), { mode: "create" })), "already-exists");
  assert.equal(type(bed.delete(0)), "written");
  assert.equal(type(bed.delete(0)), "not-found");
  assert.equal(type(bed.update(0, config(1), { mode: "create" })), "written");
});

test("deleting again what an edit raced with settles the conflict", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, config(1));
  bed.sync(0, 1);
  bed.edit(1, "data/key", "2");
  bed.delete(0);
  bed.sync(0, 1);
  assert.equal(bed.merged(0)?.conflicts.length, 1);
  assert.equal(bed.delete(0).type, "written");
  assert.deepEqual(bed.merged(0)?.conflicts, []);
  assert.equal(bed.merged(0)?.exists, false);
});

test("a Deployment's selector cannot be changed in its lifetime", () => {
  const bed = new Testbed(deploymentRef, 1);
  bed.update(0, deployment());
  const other = JSON.parse(
    JSON.stringify(bed.value(0)).replaceAll('"app":"web"', '"app":"other"'),
  ) as JsonObject;
  assert.deepEqual(problems(bed.update(0, other)), [
    "spec.selector cannot be changed (spec.selector.matchLabels.app)",
  ]);
  bed.delete(0);
  assert.equal(bed.update(0, other).type, "written");
});

test("an object sent to another name, kind or namespace is refused by field", () => {
  const bed = new Testbed(configMapRef, 1);
  const sent = { apiVersion: "apps/v1", kind: "Secret", metadata: { name: "x", namespace: "y" } };
  const fields = ["apiVersion", "kind", "metadata.name", "metadata.namespace"];
  assert.deepEqual(
    problems(bed.update(0, sent)),
    fields.map((field) => `${field} does not match the object it is sent to`),
  );
});

test("a partial configuration of what does not exist is refused for what is missing", () => {
  const bed = new Testbed(deploymentRef, 1);
  const refused = problems(bed.apply(0, { spec: { replicas: 3 } }));
  assert.deepEqual(refused, ["spec.selector is missing", "spec.template is missing"]);
});

test("a merge that is already broken may be mended step by step, but not broken further", () => {
  const bed = new Testbed(deploymentRef, 2);
  const mounted = { name: "web", image: "w", volumeMounts: [{ name: "v", mountPath: "/v" }] };
  const value = put(deployment([{ name: "web", image: "w" }]), "spec/template/spec/volumes", [
    { name: "v", emptyDir: {} },
  ]);
  bed.update(0, value);
  bed.sync(0, 1);
  bed.edit(0, "spec/template/spec/volumes", undefined);
  bed.edit(1, `${containers}/0`, mounted);
  bed.sync(0, 1);
  assert.equal(bed.edit(0, "spec/replicas", 3).type, "written");
  const more = [...mounted.volumeMounts, { name: "other", mountPath: "/o" }];
  assert.deepEqual(problems(bed.edit(0, `${containers}/0/volumeMounts`, more)), [
    "spec.template.spec.containers[0].volumeMounts[1].name is not one of spec.template.spec.volumes",
  ]);
});

test("a field that was taken over stays in the loser's record, which owns it no more", () => {
  const bed = new Testbed(configMapRef, 2);
  bed.update(0, configMap({ key: "1", other: "1" }), { manager: "me" });
  bed.sync(0, 1);
  bed.edit(1, "data/key", "2", { manager: "you" });
  bed.sync(0, 1);
  const outcome = bed.edit(0, "data/other", "3", { manager: "me" });
  assert.ok(outcome.type === "written");
  assert.deepEqual(Object.keys(outcome.entry.body.fields), ["data.key", "data.other"]);
  assert.equal(at(bed.value(0), "data/key"), "2");
  assert.deepEqual(owners(bed, "f:key"), ["you"]);
});

test("a record stays small over 400 edits of ever new keys", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.update(0, configMap({}));
  const born = bed.merged(0)?.uid;
  for (let round = 0; round < 400; round++) bed.update(0, configMap({ [`key-${round}`]: "x" }));
  const [entry] = bed.replica(0).held.values();
  assert.ok(Object.keys(entry?.body.fields ?? {}).length <= 1 + 1 + 256 + 1);
  assert.ok((entry?.body.writes.length ?? 0) <= 400);
  assert.equal(bed.merged(0)?.uid, born);
});

test("150 keys written one by one fit in a record, and every one keeps its value", () => {
  const bed = new Testbed(configMapRef, 1);
  for (let round = 0; round < 150; round++) bed.edit(0, `data/key-${round}`, `${round}`);
  const [entry] = bed.replica(0).held.values();
  assert.ok((entry?.body.writes.length ?? 0) <= 140);
  const data = at(bed.value(0), "data") as JsonObject;
  assert.equal(Object.keys(data).length, 150);
  assert.equal(data["key-7"], "7");
});

/** Names of the managers that own a field of `data`. */
function owners(bed: Testbed, field: string): readonly unknown[] {
  const managed = bed.merged(0)?.managedFields ?? [];
  return managed
    .filter((entry) => at(entry, `fieldsV1/f:data/${field}`) !== undefined)
    .map(({ manager }) => manager);
}
