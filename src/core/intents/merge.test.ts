import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../kernel/json.ts";
import type { IntentEntry } from "./contract.ts";
import { kindOf } from "./kinds/index.ts";
import { mergeObject } from "./merge.ts";
import { at, configMap, configMapRef, deployment, deploymentRef, put, Testbed } from "./testbed.ts";

const containers = "spec/template/spec/containers";
const image = `${containers}/0/image`;

function twoIslands(value: JsonObject = deployment()): Testbed {
  const bed = new Testbed(deploymentRef, 3);
  bed.update(0, value);
  bed.syncAll();
  return bed;
}

function paths(bed: Testbed): readonly string[] {
  return bed.merged(0)?.conflicts.map(({ path }) => path) ?? [];
}

test("two people in two islands who edit different fields both win, without a conflict", () => {
  const bed = twoIslands();
  bed.edit(0, "spec/replicas", 5);
  bed.edit(1, image, "web:2");
  bed.syncAll();
  assert.equal(at(bed.value(2), "spec/replicas"), 5);
  assert.equal(at(bed.value(2), image), "web:2");
  assert.deepEqual(paths(bed), []);
});

test("the same field edited in two islands is a conflict with both values, won by the newer", () => {
  const bed = twoIslands();
  bed.edit(0, "spec/replicas", 5, { actor: "ann", manager: "kubectl" });
  bed.edit(1, "spec/replicas", 7, { actor: "bob", manager: "kubectl" });
  bed.syncAll();
  assert.equal(at(bed.value(0), "spec/replicas"), 7);
  const [conflict, ...more] = bed.merged(2)?.conflicts ?? [];
  assert.deepEqual(more, []);
  assert.equal(conflict?.path, "spec.replicas");
  const { value, actor, manager } = conflict.winner;
  assert.deepEqual({ value, actor, manager }, { value: 7, actor: "bob", manager: "kubectl" });
  assert.deepEqual(
    conflict.losers.map((side) => [side.value, side.actor, side.author]),
    [[5, "ann", bed.replica(0).author]],
  );
});

test("the same value written in two islands is no conflict", () => {
  const bed = twoIslands();
  bed.edit(0, "spec/replicas", 5);
  bed.edit(1, "spec/replicas", 5);
  bed.syncAll();
  assert.deepEqual(paths(bed), []);
});

test("a later write of the field, by somebody who saw both sides, ends the conflict", () => {
  const bed = twoIslands();
  bed.edit(0, "spec/replicas", 5);
  bed.edit(1, "spec/replicas", 7);
  bed.syncAll();
  bed.edit(2, image, "web:9");
  bed.syncAll();
  assert.deepEqual(paths(bed), ["spec.replicas"], "an edit of another field settles nothing");
  bed.edit(2, "spec/replicas", 5);
  bed.syncAll();
  assert.deepEqual(paths(bed), []);
  assert.equal(at(bed.value(0), "spec/replicas"), 5);
});

test("a side that lost is still shown after its author wrote other fields 20 times", () => {
  const bed = twoIslands();
  bed.edit(0, "spec/replicas", 5);
  bed.edit(1, "spec/replicas", 7);
  bed.syncAll();
  for (let round = 0; round < 20; round++) bed.edit(0, image, `web:${round}`);
  bed.syncAll();
  assert.deepEqual(paths(bed), ["spec.replicas"]);
});

test("three islands make one conflict with two losers, the newer loser first", () => {
  const bed = twoIslands();
  for (const [node, replicas] of [3, 5, 7].entries()) bed.edit(node, "spec/replicas", replicas);
  bed.syncAll();
  const [conflict] = bed.merged(1)?.conflicts ?? [];
  assert.deepEqual(
    [conflict?.winner.value, ...(conflict?.losers.map(({ value }) => value) ?? [])],
    [7, 5, 3],
  );
});

test("a field removed in one island and changed in the other is a conflict; the newer wins", () => {
  const bed = twoIslands(put(deployment(), "spec/replicas", 2));
  bed.edit(0, "spec/replicas", 4);
  bed.edit(1, "spec/replicas", undefined);
  bed.syncAll();
  assert.equal(at(bed.value(0), "spec/replicas"), undefined);
  assert.equal(bed.merged(0)?.conflicts[0]?.winner.value, undefined);
  assert.deepEqual(
    bed.merged(0)?.conflicts[0]?.losers.map(({ value }) => value),
    [4],
  );
});

test("git wins over a newer user and override over both, and the side that lost is shown", () => {
  const bed = twoIslands();
  bed.edit(0, "spec/replicas", 9, { class: "git", manager: "git" });
  bed.edit(1, "spec/replicas", 2);
  bed.syncAll();
  assert.equal(at(bed.value(0), "spec/replicas"), 9);
  assert.deepEqual(paths(bed), ["spec.replicas"]);
  bed.edit(2, "spec/replicas", 4, { class: "override", manager: "break-glass" });
  bed.syncAll();
  assert.equal(at(bed.value(0), "spec/replicas"), 4);
});

test("containers added in two islands are both there, on every node in the same order", () => {
  const bed = twoIslands();
  bed.edit(0, `${containers}/1`, { name: "log", image: "log:1" });
  bed.edit(1, `${containers}/1`, { name: "audit", image: "audit:1" });
  bed.syncAll();
  const names = (at(bed.value(0), containers) as readonly JsonObject[]).map(({ name }) => name);
  assert.deepEqual(names, ["web", "audit", "log"]);
  assert.deepEqual(paths(bed), []);
});

test("a container is one thing to remove: an older edit of it in another island is reported and lost", () => {
  const bed = twoIslands(
    deployment([
      { name: "web", image: "w" },
      { name: "log", image: "l" },
    ]),
  );
  bed.edit(1, `${containers}/1/image`, "l2");
  bed.edit(0, `${containers}/1`, undefined);
  bed.syncAll();
  assert.equal((at(bed.value(0), containers) as readonly unknown[]).length, 1);
  const [conflict] = bed.merged(0)?.conflicts ?? [];
  assert.equal(conflict?.path, 'spec.template.spec.containers[name="log"]');
  assert.equal(conflict.winner.value, undefined);
  assert.deepEqual(conflict.losers[0]?.value, { 'spec.template.spec.containers[name="log"].image': "l2" });
});

test("a newer edit keeps the whole container, also after that edit was replaced", () => {
  const whole = { name: "log", image: "l", args: ["-v"], env: [{ name: "LEVEL", value: "info" }] };
  const bed = twoIslands(deployment([{ name: "web", image: "w" }, whole]));
  bed.edit(0, `${containers}/1`, undefined);
  bed.edit(1, `${containers}/1/image`, "l2");
  bed.syncAll();
  assert.deepEqual(at(bed.value(0), `${containers}/1`), { ...whole, image: "l2" });
  assert.deepEqual(paths(bed), ['spec.template.spec.containers[name="log"]']);
  bed.edit(1, `${containers}/1/image`, "l3");
  bed.syncAll();
  assert.deepEqual(at(bed.value(0), `${containers}/1`), { ...whole, image: "l3" });
  assert.deepEqual(paths(bed), [], "the edit saw both sides");
});

test("a container that comes back brings nothing of its former life", () => {
  const former = { name: "log", image: "l", env: [{ name: "OLD", value: "1" }] };
  const bed = twoIslands(deployment([{ name: "web", image: "w" }, former]));
  bed.edit(1, `${containers}/1/env/0/value`, "2");
  bed.syncAll();
  bed.edit(0, `${containers}/1`, undefined);
  bed.edit(0, `${containers}/1`, { name: "log", image: "new" });
  bed.syncAll();
  assert.deepEqual(at(bed.value(2), `${containers}/1`), { name: "log", image: "new" });
  assert.deepEqual(paths(bed), []);
});

test("what is left of a container when each side let go of another half is reported, not shown", () => {
  const bed = new Testbed(deploymentRef, 2);
  const web = { name: "web", image: "w" };
  const log = { name: "log", image: "l" };
  bed.apply(0, deployment([web, log]), { manager: "one" });
  const partial = (container: JsonObject): JsonObject =>
    put({}, "spec/template/spec", { containers: [container] });
  bed.apply(0, partial({ ...log, args: ["-v"] }), { manager: "two" });
  bed.syncAll();
  assert.equal(bed.apply(0, deployment([web]), { manager: "one" }).type, "written");
  assert.equal(bed.apply(1, partial({ name: "log", args: ["-v"] }), { manager: "two" }).type, "written");
  bed.syncAll();
  assert.deepEqual(at(bed.value(0), containers), [web]);
  const [conflict] = bed.merged(1)?.conflicts ?? [];
  assert.equal(conflict?.path, 'spec.template.spec.containers[name="log"]');
  assert.equal(conflict.losers.length, 1);
});

test("a removal that lost is still shown after an edit elsewhere, until somebody edits the item", () => {
  const bed = twoIslands(
    deployment([
      { name: "web", image: "w" },
      { name: "log", image: "l" },
    ]),
  );
  bed.edit(0, `${containers}/1`, undefined);
  bed.edit(1, `${containers}/1/image`, "l2");
  bed.syncAll();
  bed.edit(2, "spec/replicas", 4);
  bed.syncAll();
  assert.deepEqual(paths(bed), ['spec.template.spec.containers[name="log"]']);
  bed.edit(2, `${containers}/1/args`, ["-q"]);
  bed.syncAll();
  assert.deepEqual(paths(bed), []);
});

test("sorting the containers anew does not bring a removal back that had lost", () => {
  const log = { name: "log", image: "l", args: ["-v"] };
  const bed = twoIslands(deployment([{ name: "web", image: "w" }, log]));
  bed.edit(0, `${containers}/1`, undefined);
  bed.edit(1, `${containers}/1/image`, "l2");
  bed.syncAll();
  const [web, left] = at(bed.value(2), containers) as readonly JsonObject[];
  bed.edit(2, containers, [left ?? {}, web ?? {}]);
  bed.edit(1, `${containers}/1/image`, "l3");
  bed.syncAll();
  const shown = at(bed.value(0), containers) as readonly JsonObject[];
  assert.deepEqual(shown, [
    { ...log, image: "l3" },
    { name: "web", image: "w" },
  ]);
});

test("a third manager that lets go of a field does not end the conflict of two others", () => {
  const bed = new Testbed(deploymentRef, 3);
  bed.apply(0, put(deployment(), "spec/replicas", 3), { manager: "base" });
  bed.syncAll();
  bed.edit(0, "spec/replicas", 5, { manager: "one" });
  bed.edit(1, "spec/replicas", 7, { manager: "two" });
  bed.syncAll();
  assert.equal(bed.apply(2, deployment(), { manager: "base" }).type, "written");
  bed.syncAll();
  assert.deepEqual(paths(bed), ["spec.replicas"]);
  assert.equal(at(bed.value(0), "spec/replicas"), 7);
});

test("a deletion that nobody raced takes the object, without a conflict", () => {
  const bed = twoIslands();
  bed.delete(1);
  bed.syncAll();
  assert.equal(bed.merged(0)?.exists, false);
  assert.deepEqual(paths(bed), []);
});

test("a deletion newer than the edit it raced with wins, and the edit is reported with its values", () => {
  const bed = twoIslands();
  bed.edit(1, "spec/replicas", 5);
  bed.delete(0);
  bed.syncAll();
  assert.equal(bed.merged(2)?.exists, false);
  const [conflict] = bed.merged(2)?.conflicts ?? [];
  assert.equal(conflict?.path, "(object)");
  assert.equal(conflict.winner.value, undefined);
  assert.deepEqual(
    conflict.losers.map(({ value }) => value),
    [{ "spec.replicas": 5 }],
  );
});

test("an edit newer than the deletion keeps the whole object, its uid and its age", () => {
  const bed = twoIslands();
  const born = bed.merged(0);
  bed.delete(0);
  bed.edit(1, "spec/replicas", 5);
  bed.syncAll();
  assert.equal(bed.merged(2)?.uid, born?.uid);
  assert.equal(bed.merged(2)?.createdAt, born?.createdAt);
  assert.equal(at(bed.value(2), image), "web:1");
  assert.deepEqual(paths(bed), ["(object)"]);
});

test("an object that outlived a deletion lives on when the edit that saved it is replaced", () => {
  const bed = twoIslands();
  bed.delete(0);
  bed.edit(1, "spec/replicas", 5);
  bed.syncAll();
  bed.edit(1, "spec/replicas", 6);
  bed.syncAll();
  assert.equal(at(bed.value(0), image), "web:1");
  assert.equal(at(bed.value(0), "spec/replicas"), 6);
  assert.deepEqual(paths(bed), [], "the later edit saw both sides");
});

test("an object created after its deletion is a new life: new uid, nothing of the old one", () => {
  const bed = twoIslands(put(deployment(), "spec/replicas", 8));
  const old = bed.merged(0);
  bed.delete(0);
  bed.syncAll();
  bed.update(1, deployment(), { mode: "create" });
  bed.syncAll();
  assert.notEqual(bed.merged(0)?.uid, old?.uid);
  assert.ok((bed.merged(0)?.createdAt ?? 0) >= (old?.createdAt ?? 0));
  assert.equal(at(bed.value(0), "spec/replicas"), undefined);
  assert.deepEqual(paths(bed), []);
});

test("a uid looks like a UUID of version 8", () => {
  const uid = twoIslands().merged(0)?.uid ?? "";
  assert.match(uid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("two islands that note their last applied configuration do not conflict over the note", () => {
  const bed = twoIslands();
  const noted = (count: number): JsonObject => {
    const value = put(bed.value(0), "spec/replicas", count);
    const note = { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify({ count }) };
    return put(value, "metadata/annotations", note);
  };
  bed.update(0, noted(3));
  bed.update(1, noted(3));
  bed.edit(1, "metadata/annotations", { "kubectl.kubernetes.io/last-applied-configuration": "other" });
  bed.syncAll();
  assert.deepEqual(paths(bed), []);
});

test("values of hostile or newer nodes that the kind does not have are left out", () => {
  const kind = kindOf("apps", "Deployment");
  assert.ok(kind !== undefined);
  const bed = twoIslands();
  const fields: IntentEntry["body"]["fields"] = {
    "spec.replicas": { op: "set", write: 0, value: "many" },
    "spec.template.spec.hostPID": { op: "set", write: 0, value: true },
    "metadata.name": { op: "set", write: 0, value: "other" },
    'spec.template.spec.containers[name="web"]': { op: "set", write: 0, value: {} },
    'spec.template.spec.containers[name="web"].name': { op: "set", write: 0, value: "evil" },
    "spec.template.spec.containers[name=7].image": { op: "set", write: 0, value: "evil" },
    "spec.template.spec.containers": { op: "set", write: 0, value: [{ name: "evil" }] },
    "metadata.annotations.good": { op: "set", write: 0, value: "kept" },
  };
  const write = { version: 5000, seen: {}, actor: "mallory" };
  const body = { class: "override" as const, writes: [write], fields };
  const entry: IntentEntry = { author: "f".repeat(20), manager: "update:x", version: 5000, body };
  const merged = mergeObject(kind, bed.ref, [...bed.replica(0).held.values(), entry]);
  const metadata = { name: "web", namespace: "default", annotations: { good: "kept" } };
  assert.deepEqual(merged?.value, { ...bed.value(0), metadata });
});

test("a write stamped later than its own record does not count", () => {
  const bed = new Testbed(configMapRef, 1);
  bed.update(0, configMap({ a: "1" }));
  const [entry] = bed.history;
  assert.ok(entry !== undefined);
  const writes = entry.body.writes.map((write) => ({ ...write, version: entry.version + 1 }));
  assert.equal(mergeObject(bed.kind, bed.ref, [{ ...entry, body: { ...entry.body, writes } }]), undefined);
});

test("a write cannot claim to have seen what is newer than itself", () => {
  const bed = twoIslands();
  bed.edit(1, "spec/replicas", 5);
  const body = {
    class: "user" as const,
    writes: [
      { version: 1001, seen: { [bed.replica(1).author]: 9_000_000 }, actor: "m", deletes: true as const },
    ],
    fields: {},
  };
  bed.sync(0, 1);
  bed.take(bed.replica(0), { author: "f".repeat(20), manager: "update:m", version: 1001, body });
  assert.equal(bed.merged(0)?.exists, true);
});

test("no entries merge to nothing", () => {
  const kind = kindOf("", "ConfigMap");
  assert.ok(kind !== undefined);
  assert.equal(mergeObject(kind, configMapRef, []), undefined);
});
