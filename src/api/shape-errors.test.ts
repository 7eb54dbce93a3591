import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { put } from "../core/intents/testbed.ts";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import { at, configMap, createApiBed, deployment, type Answer, type ApiBed } from "./testbed.ts";

/** What has the wrong shape is refused with the path of the field, its value and the fix, and nothing is written. */

let bed: ApiBed;
before(async () => {
  bed = await createApiBed("shapes");
  await bed.call("POST", deployments, deployment("there"));
});
after(() => bed.close());

const deployments = "/apis/apps/v1/namespaces/default/deployments";
const maps = "/api/v1/namespaces/default/configmaps";
const changed = (path: string, value: Json): JsonObject => put(deployment("shop"), path, value);

/** The message, without the words that name the object. */
function refused({ status, body, text }: Answer, code = 422): string {
  assert.equal(status, code, text);
  return String(body["message"]).replace(/^\S+ "\w*" is invalid: /, "");
}

test("a field of the wrong type is named with its path, its value and what it must be, in Kubernetes' words", async () => {
  const container = "spec/template/spec/containers/0";
  for (const [path, value, message] of [
    ["spec/replicas", "two", 'spec.replicas: Invalid value: "two": must be an integer'],
    ["spec", "x", 'spec: Invalid value: "x": must be an object'],
    ["spec/template/spec/containers", {}, "spec.template.spec.containers: Invalid value: {}: must be a list"],
    [container, 5, "spec.template.spec.containers[0]: Invalid value: 5: must be an object"],
    [`${container}/name`, 5, "spec.template.spec.containers[0].name: Invalid value: 5: must be a string"],
    [
      `${container}/command`,
      "a",
      'spec.template.spec.containers[0].command: Invalid value: "a": must be a list',
    ],
    ["metadata/labels", { a: 1 }, "metadata.labels[a]: Invalid value: 1: must be a string"],
    ["metadata", "text", 'metadata: Invalid value: "text": must be an object'],
    ["metadata", [], "metadata: Invalid value: []: must be an object"],
    ["metadata/name", 5, "metadata.name: Invalid value: 5: must be a string"],
    ["metadata/namespace", 7, "metadata.namespace: Invalid value: 7: must be a string"],
  ] as const) {
    const posted = await bed.call("POST", deployments, changed(path, value));
    assert.equal(refused(posted), message);
    assert.equal(at(posted.body, "details.causes.0.field"), message.slice(0, message.indexOf(": ")));
    assert.match(String(at(posted.body, "details.causes.0.message")), /^Invalid value: .*: must be /);
    const apply = { type: "application/apply-patch+yaml" };
    const applied = await bed.call(
      "PATCH",
      `${deployments}/shop?fieldManager=a`,
      changed(path, value),
      apply,
    );
    assert.equal(refused(applied), message, "applied");
    const set = await bed.call("POST", "/starlight/v1/apply", { objects: [changed(path, value)] });
    const inSet =
      path.startsWith("metadata/labels") || !path.startsWith("metadata") ? message : `objects[0].${message}`;
    assert.equal(refused(set, inSet === message ? 422 : 400), inSet, "in a set");
  }
  assert.equal((await bed.call("GET", `${deployments}/shop`)).status, 404);
});

test("a field that is missing is a required value, and one that is none of the choices an unsupported one", async () => {
  const { selector: _selector, ...spec } = deployment("shop")["spec"] as JsonObject;
  const missing = await bed.call("POST", deployments, { ...deployment("shop"), spec });
  assert.match(refused(missing), /^spec\.selector: Required value: /);
  assert.equal(at(missing.body, "details.causes.0.reason"), "FieldValueRequired");
  const choice = await bed.call("POST", deployments, changed("spec/strategy", { type: "Recreate" }));
  assert.equal(
    refused(choice),
    'spec.strategy.type: Unsupported value: "Recreate": supported values: "RollingUpdate"',
  );
  assert.equal(at(choice.body, "details.causes.0.reason"), "FieldValueNotSupported");
  const nameless = await bed.call("POST", maps, { ...configMap("a", {}), metadata: {} });
  assert.equal(refused(nameless), "metadata.name: Required value: give the ConfigMap a name");
});

test("patches and scales name the field, too, and change nothing", async () => {
  const path = `${deployments}/there`;
  const strategic = "application/strategic-merge-patch+json";
  const merge = "application/merge-patch+json";
  const json = "application/json-patch+json";
  for (const [type, patch, message] of [
    [merge, { metadata: "x" }, 'metadata: Invalid value: "x": must be an object'],
    [strategic, { metadata: [] }, "metadata: Invalid value: []: must be an object"],
    [merge, { spec: { replicas: "two" } }, 'spec.replicas: Invalid value: "two": must be an integer'],
    [merge, [], "patch: Invalid value: []: must be an object"],
    [strategic, [], "patch: Invalid value: []: must be an object"],
    [json, { a: 1 }, 'patch: Invalid value: {"a":1}: must be a list of operations'],
    [json, [5], "patch[0]: Invalid value: 5: must be an object with op and path"],
  ] as const)
    assert.equal(refused(await bed.call("PATCH", path, patch as Json, { type })), message);
  for (const [replicas, message] of [
    ["two", 'spec.replicas: Invalid value: "two": must be an integer'],
    [null, "spec.replicas: Required value: give the number of copies"],
  ] as const)
    assert.equal(
      refused(await bed.call("PATCH", `${path}/scale`, { spec: { replicas } }, { type: merge })),
      message,
    );
  assert.equal(at((await bed.call("GET", path)).body, "spec.replicas"), 1);
});

test("a body that is no object says what it is, and one that is no JSON where it breaks", async () => {
  for (const [body, message] of [
    ["[]", "the body is a list: send an object"],
    ["5", "the body is 5: send an object"],
    ["", "the body is empty: send an object"],
  ] as const)
    assert.equal(refused(await bed.call("POST", maps, body), 400), message);
  assert.match(refused(await bed.call("POST", maps, "{"), 400), /^the body is not valid JSON: .*position 1/);
});

test("what an object is sent to has to be what it says, with field, value and what to write", async () => {
  const { body } = await bed.call("PUT", `${maps}/left`, configMap("right", {}));
  assert.equal(
    body["message"],
    'metadata.name: Invalid value: "right": the path says "left": write that, or leave it out',
  );
  const kind = await bed.call("POST", maps, { ...configMap("left", {}), kind: 5 });
  assert.equal(
    refused(kind, 400),
    'kind: Invalid value: 5: the path is for "ConfigMap": write that, or leave it out',
  );
});

test("the bodies of Starlight's own routes are checked by field, and a dry run that is none is not taken for a write", async () => {
  const post = (path: string, body: JsonObject) => bed.call("POST", `/starlight/v1/${path}`, body);
  const objects = [configMap("set", {})];
  for (const [path, body, message] of [
    ["apply", { objects: 5 }, "objects: Invalid value: 5: must be a list of 1 to 1000 objects"],
    ["apply", { objects: [5] }, "objects[0]: Invalid value: 5: must be an object"],
    [
      "apply",
      { objects: [{ apiVersion: 5, kind: "A" }] },
      "objects[0].apiVersion: Invalid value: 5: must be a string",
    ],
    [
      "apply",
      { objects: [{ apiVersion: "v1" }] },
      "objects[0].kind: Required value: say what it is, such as ConfigMap",
    ],
    ["apply", { objects, dryRun: "yes" }, 'dryRun: Invalid value: "yes": must be true or false'],
    ["apply", { objects, force: 1 }, "force: Invalid value: 1: must be true or false"],
    ["apply", { objects, manager: 5 }, "manager: Invalid value: 5: must be a string"],
    ["undo", { group: "apps", kind: "Deployment", name: 5 }, "name: Invalid value: 5: must be a string"],
    [
      "undo",
      { group: "apps", kind: "Deployment", name: "there", dryRun: 1 },
      "dryRun: Invalid value: 1: must be true or false",
    ],
    ["release", { kind: [] }, "kind: Invalid value: []: must be a string"],
    ["resolve", { all: "yes" }, 'all: Invalid value: "yes": must be true or false'],
  ] as const)
    assert.equal(refused(await post(path, body as JsonObject), 400), message);
  assert.equal((await bed.call("GET", `${maps}/set`)).status, 404);
  const invites = await post("invites", { uses: "two" });
  assert.equal(invites.status, 400);
  assert.equal(
    (JSON.parse(invites.text) as JsonObject)["detail"],
    'uses: Invalid value: "two": must be an integer',
  );
  const nobody = await post("revocations", {});
  assert.equal(
    (JSON.parse(nobody.text) as JsonObject)["detail"],
    "node: Required value: must be a string of at most 253 characters",
  );
});
