import assert from "node:assert/strict";
import { test } from "node:test";
import { isList, isObject, type Json } from "../kernel/json.ts";
import { allKinds, kindOf } from "./kinds/index.ts";
import { openApiSchema } from "./openapi.ts";
import { at } from "./testbed.ts";

const deploy = kindOf("apps", "Deployment");
assert.ok(deploy !== undefined);
const schema = openApiSchema(deploy);

test("a schema names its kind as kubectl looks it up", () => {
  assert.deepEqual(schema["x-kubernetes-group-version-kind"], [
    { group: "apps", kind: "Deployment", version: "v1" },
  ]);
});

test("a list with keys carries Kubernetes' merge extensions", () => {
  const podSpec = "properties/spec/properties/template/properties/spec/properties/containers";
  const containers = at(schema, podSpec);
  assert.deepEqual(at(containers, "x-kubernetes-list-map-keys"), ["name"]);
  assert.equal(at(containers, "x-kubernetes-patch-merge-key"), "name");
  assert.equal(at(containers, "x-kubernetes-patch-strategy"), "merge");
  const ports = at(containers, "items/properties/ports");
  assert.deepEqual(at(ports, "x-kubernetes-list-map-keys"), ["containerPort", "protocol"]);
  assert.equal(at(ports, "x-kubernetes-patch-merge-key"), "containerPort");
  assert.equal(at(containers, "items/properties/args/x-kubernetes-list-type"), "atomic");
});

test("every property of every kind has a type and a description, for kubectl explain", () => {
  for (const kind of allKinds()) assertDescribed(openApiSchema(kind), kind.kind);
});

test("what servers fill in is known, so that an object that was read can be sent back", () => {
  for (const name of ["uid", "resourceVersion", "managedFields", "creationTimestamp"]) {
    assert.equal(at(schema, `properties/metadata/properties/${name}/readOnly`), true, name);
  }
  assert.ok(isObject(at(schema, "properties/status")));
  assert.deepEqual(schema["required"], ["spec"]);
});

function assertDescribed(json: Json | undefined, where: string): void {
  assert.ok(isObject(json), where);
  const { properties, items, additionalProperties } = json;
  for (const [name, below] of Object.entries(isObject(properties) ? properties : {})) {
    assertDescribed(below, `${where}.${name}`);
    assert.ok(
      isObject(below) && typeof below["description"] === "string" && below["description"] !== "",
      where,
    );
    const typed = below["type"] !== undefined || isList(below["oneOf"]);
    assert.ok(typed, `${where}.${name}`);
  }
  if (items !== undefined) assertDescribed(items, `${where}[]`);
  if (additionalProperties !== undefined) assertDescribed(additionalProperties, `${where}{}`);
}
