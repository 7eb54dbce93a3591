import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createToken } from "../app/tokens.ts";
import { editors, gitWriters, overriders } from "./auth.ts";
import { at, configMap, createApiBed } from "./testbed.ts";

const bed = await createApiBed("classes");
after(() => bed.close());
const { call } = bed;
const token = (name: string, ...groups: string[]): { token: string } => ({
  token: createToken(bed.directory, { name, groups }, Date.now()),
});
const editor = token("eva", editors);
const git = token("gitta", gitWriters);
const onCall = token("otto", overriders);

const maps = "/api/v1/namespaces/default/configmaps";
const merge = { type: "application/merge-patch+json" };
const manager = (name: string): string => `?fieldManager=${encodeURIComponent(name)}`;

test("editors write as users only; git: and override: are for their groups and administrators", async () => {
  assert.equal((await call("POST", maps, configMap("rights", { a: "1" }), editor)).status, 201);
  const patch = (name: string, as: { token: string }) =>
    call("PATCH", `${maps}/rights${manager(name)}`, { data: { a: name } }, { ...merge, ...as });
  const statuses = async (name: string): Promise<number[]> => {
    const answers: number[] = [];
    for (const as of [editor, git, onCall, { token: bed.admin }, { token: bed.viewer }])
      answers.push((await patch(name, as)).status);
    return answers;
  };
  assert.deepEqual(await statuses("user-x"), [200, 200, 200, 200, 403]);
  assert.deepEqual(await statuses("git:x"), [403, 200, 403, 200, 403]);
  assert.deepEqual(await statuses("override:x"), [403, 403, 200, 200, 403]);
  const { body } = await patch("override:x", editor);
  assert.match(
    String(body["message"]),
    /User "eva" cannot write as field manager "override:x": class override is for groups system:masters and starlight:overriders/,
  );
  const set = { objects: [configMap("rights", { a: "2" })], manager: "override:x" };
  assert.equal((await call("POST", "/starlight/v1/apply", set, editor)).status, 403);
  const agent = await call(
    "PATCH",
    `${maps}/rights`,
    { data: { b: "1" } },
    { ...merge, agent: "override:y/1" },
  );
  assert.equal(agent.status, 200, "a client's own name has no class");
  assert.equal(
    (await call("PATCH", `${maps}/rights${manager("override:")}`, { data: {} }, merge)).status,
    422,
  );
});

test("an override stands against users and git, says so in history and managedFields, and is released", async () => {
  await call("POST", `${maps}${manager("till")}`, configMap("held", { a: "user", b: "user" }));
  await call(
    "PATCH",
    `${maps}/held${manager("override:night")}`,
    { data: { a: "night" } },
    { ...merge, ...onCall },
  );
  for (const [name, as] of [
    ["till", editor],
    ["git:shop", git],
  ] as const) {
    const refused = await call(
      "PATCH",
      `${maps}/held${manager(name)}`,
      { data: { a: "x" } },
      { ...merge, ...as },
    );
    assert.equal(refused.status, 409);
    assert.match(String(refused.body["message"]), /conflict with "override:night" using v1: \.data\.a/);
  }
  const shown = await call("GET", `${maps}/held`);
  assert.match(JSON.stringify(at(shown.body, "metadata.managedFields")), /"manager":"override:night"/);
  const query = "group=&kind=ConfigMap&namespace=default&name=held";
  const history = await call("GET", `/starlight/v1/history?${query}`);
  assert.match(JSON.stringify(history.body["writes"]), /"class":"override"/);
  const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "held" };
  assert.equal((await call("POST", "/starlight/v1/release", ref, editor)).status, 403);
  assert.equal((await call("POST", "/starlight/v1/release", { ...ref, class: "user" }, onCall)).status, 400);
  const wrong = await call("POST", "/starlight/v1/release", { ...ref, manager: "override:day" }, onCall);
  assert.equal(wrong.status, 404);
  assert.match(String(wrong.body["message"]), /these do: override:night/);
  const released = await call("POST", "/starlight/v1/release", ref, onCall);
  assert.equal(released.status, 200, released.text);
  assert.deepEqual(released.body["fields"], [
    { field: "data.a", from: { value: "night" }, to: { value: "user" } },
  ]);
  assert.deepEqual((await call("GET", `${maps}/held`)).body["data"], { a: "user", b: "user" });
  assert.equal((await call("POST", "/starlight/v1/release", ref, onCall)).status, 404);
  const again = await call(
    "PATCH",
    `${maps}/held${manager("till")}`,
    { data: { a: "x" } },
    { ...merge, ...editor },
  );
  assert.equal(again.status, 200);
});
