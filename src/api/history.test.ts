import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { at, configMap, createApiBed, deployment } from "./testbed.ts";

const bed = await createApiBed("history");
after(() => bed.close());
const { call } = bed;

const maps = "/api/v1/namespaces/default/configmaps";
const about = (name: string, more: JsonObject = {}): JsonObject => ({ kind: "ConfigMap", name, ...more });
const message = (body: JsonObject): string => String(body["message"]);

async function written(name: string, ...values: readonly string[]): Promise<void> {
  for (const [count, value] of values.entries()) {
    const method = count === 0 ? "POST" : "PUT";
    const path = count === 0 ? maps : `${maps}/${name}`;
    const { status, text } = await call(method, path, configMap(name, { a: value }));
    assert.ok(status < 300, text);
  }
}

test("history lists the writes newest first, with user, node, manager, class and what was there before", async () => {
  await written("told", "0", "1", "2");
  const { status, body } = await call("GET", "/starlight/v1/history?kind=ConfigMap&name=told");
  assert.equal(status, 200);
  assert.equal(body["exists"], true);
  const told = (body["writes"] as readonly JsonObject[]).map((write) => [
    write["user"],
    write["made"],
    at(write, "fields.0.field"),
    at(write, "fields.0.value"),
    at(write, "fields.0.stands"),
    at(write, "fields.0.before.value"),
  ]);
  assert.deepEqual(told, [
    ["alice", false, "data.a", "2", true, "1"],
    ["alice", false, "data.a", "1", false, "0"],
    ["alice", true, "data.a", "0", false, null],
  ]);
  for (const name of ["node", "manager", "operation", "class", "at", "version"]) {
    assert.notEqual(at(body, `writes.0.${name}`), undefined, name);
  }
});

test("undo answers with what it changed, and a dry run changes nothing", async () => {
  await written("undone", "0", "1");
  const dry = await call("POST", "/starlight/v1/undo", about("undone", { dryRun: true }));
  assert.equal(dry.status, 200, dry.text);
  assert.equal(at((await call("GET", `${maps}/undone`)).body, "data.a"), "1");
  const done = await call("POST", "/starlight/v1/undo", about("undone", { field: "a" }));
  assert.equal(done.status, 409, "a field is named by its whole path");
  const { body } = await call("POST", "/starlight/v1/undo", about("undone", { field: ".data.a" }));
  assert.deepEqual(body["fields"], [{ field: "data.a", from: { value: "1" }, to: { value: "0" } }]);
  assert.equal(at((await call("GET", `${maps}/undone`)).body, "data.a"), "0");
});

test("an object that nobody knows, a kind that nobody writes and a wrong version are refused by name", async () => {
  const unknown = await call("GET", "/starlight/v1/history?kind=ConfigMap&name=none");
  assert.equal(unknown.status, 404);
  assert.match(message(unknown.body), /nothing is known of configmap\/none/);
  const pod = await call("GET", "/starlight/v1/history?kind=Pod&name=none");
  assert.equal(pod.status, 400);
  assert.match(
    message(pod.body),
    /kind: Unsupported value: "Pod" of group "": people write ConfigMap, .*Deployment \(group apps\)/,
  );
  await written("versions", "0", "1");
  const wrong = await call("POST", "/starlight/v1/undo", about("versions", { to: "soon" }));
  assert.equal(wrong.status, 400);
});

test("undo brings a deleted object back as it was", async () => {
  const path = "/apis/apps/v1/namespaces/default/deployments";
  await call("POST", path, deployment("kept", 2));
  await call("DELETE", `${path}/kept`);
  const { status, body } = await call("POST", "/starlight/v1/undo", {
    group: "apps",
    kind: "Deployment",
    name: "kept",
  });
  assert.equal(status, 200);
  assert.equal(body["cameBack"], true);
  assert.equal(at((await call("GET", `${path}/kept`)).body, "spec.replicas"), 2);
});

test("viewers read conflicts and history, and may neither resolve nor undo", async () => {
  await written("seen", "0", "1");
  const token = bed.viewer;
  for (const path of ["conflicts", "history?kind=ConfigMap&name=seen"]) {
    assert.equal((await call("GET", `/starlight/v1/${path}`, undefined, { token })).status, 200);
  }
  const take = { field: "data.a", take: "winner" };
  for (const [path, body] of [
    ["undo", about("seen")],
    ["resolve", about("seen", take)],
  ] as const) {
    assert.equal((await call("POST", `/starlight/v1/${path}`, body, { token })).status, 403, path);
    assert.equal((await call("POST", `/starlight/v1/${path}`, body, { token: "" })).status, 401, path);
  }
  const none = await call("POST", "/starlight/v1/resolve", about("seen", take));
  assert.equal(none.status, 404);
  assert.match(message(none.body), /configmap\/seen has no conflicts; and nothing else has any/);
  const all = await call("POST", "/starlight/v1/resolve", { all: true, take: "winner" });
  assert.deepEqual(all.body, { resolved: [], left: 0 });
});
