import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../kernel/json.ts";
import { deployment as kind } from "./kinds/workloads.ts";
import { strategicMergePatch } from "./patch.ts";
import { map, object, setOf, text } from "./schema.ts";
import { at, deployment } from "./testbed.ts";

/** The examples of the Kubernetes community page on strategic merge patch, on a Deployment. */

const podSpec = (spec: JsonObject): JsonObject => ({ spec: { template: { spec } } });

function patched(target: JsonObject, patch: JsonObject): JsonObject {
  const result = strategicMergePatch(kind.schema, target, patch);
  assert.ok(result.ok);
  return result.value;
}

const containers = (value: Json): unknown => at(value, "spec/template/spec/containers");
const nginx = { name: "nginx", image: "nginx-1.0" };
const log = { name: "log-tailer", image: "log-tailer-1.0" };

test("a container of another name is added before the others, as Kubernetes does, one of the same name is merged", () => {
  const both = patched(deployment([nginx]), podSpec({ containers: [log] }));
  assert.deepEqual(containers(both), [log, nginx]);
  const newer = patched(both, podSpec({ containers: [{ name: "nginx", args: ["-q"] }] }));
  assert.deepEqual(containers(newer), [log, { ...nginx, args: ["-q"] }]);
});

test("$patch: delete takes an item out, $patch: replace in a list leaves only the patch's items", () => {
  const both = deployment([nginx, log]);
  const deleted = patched(both, podSpec({ containers: [{ $patch: "delete", name: "nginx" }] }));
  assert.deepEqual(containers(deleted), [log]);
  const replaced = patched(both, podSpec({ containers: [log, { $patch: "replace" }] }));
  assert.deepEqual(containers(replaced), [log]);
});

test("$patch: replace and delete work on an object as well", () => {
  const value = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
  const replaced = patched(value, { spec: { strategy: { $patch: "replace", type: "RollingUpdate" } } });
  assert.deepEqual(replaced, { spec: { strategy: { type: "RollingUpdate" } } });
  assert.deepEqual(patched(value, { spec: { strategy: { $patch: "delete" } } }), { spec: { strategy: {} } });
});

test("$retainKeys clears what it does not name", () => {
  const value = podSpec({ volumes: [{ name: "v", emptyDir: {} }] });
  const patch = podSpec({
    volumes: [{ name: "v", configMap: { name: "c" }, $retainKeys: ["name", "configMap"] }],
  });
  assert.deepEqual(patched(value, patch), podSpec({ volumes: [{ name: "v", configMap: { name: "c" } }] }));
});

test("$setElementOrder orders the named items and leaves the server's own where they stood", () => {
  const names = ["a", "b", "c", "d"].map((name) => ({ name, image: "x" }));
  const patch = podSpec({
    "$setElementOrder/containers": [{ name: "d" }, { name: "new" }, { name: "a" }],
    containers: [{ name: "new", image: "y" }],
  });
  const order = (containers(patched(deployment(names), patch)) as readonly JsonObject[]).map(
    ({ name }) => name,
  );
  assert.deepEqual(order, ["b", "c", "d", "new", "a"]);
  const only = podSpec({ "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] });
  const two = deployment([
    { name: "a", image: "x" },
    { name: "b", image: "x" },
  ]);
  assert.deepEqual(
    (containers(patched(two, only)) as readonly JsonObject[]).map(({ name }) => name),
    ["b", "a"],
  );
});

test("a scalar set grows by what is new, and $deleteFromPrimitiveList takes members out", () => {
  const schema = object("A thing.", {
    names: setOf("Names.", text("A name.")),
    notes: map("Notes.", text("A note.")),
  });
  const grown = strategicMergePatch(schema, { names: ["a", "b"] }, { names: ["b", "c"] });
  assert.deepEqual(grown, { ok: true, value: { names: ["a", "b", "c"] } });
  const shrunk = strategicMergePatch(
    schema,
    { names: ["a", "b"] },
    { "$deleteFromPrimitiveList/names": ["a"] },
  );
  assert.deepEqual(shrunk, { ok: true, value: { names: ["b"] } });
});

test("null removes a field, an atomic list is replaced, and unknown fields pass through", () => {
  const value = podSpec({ tolerations: [{ key: "a" }, { key: "b" }], hostNetwork: true });
  const patch = podSpec({ tolerations: [{ key: "c" }], hostNetwork: null, future: { x: 1 } });
  assert.deepEqual(patched(value, patch), podSpec({ tolerations: [{ key: "c" }], future: { x: 1 } }));
});

test("a port is found by its number, and by its protocol where the number is there twice", () => {
  const ports = (list: readonly JsonObject[]): JsonObject =>
    podSpec({ containers: [{ name: "dns", ports: list }] });
  const one = patched(ports([{ containerPort: 53 }]), ports([{ containerPort: 53, protocol: "UDP" }]));
  assert.deepEqual(one, ports([{ containerPort: 53, protocol: "UDP" }]));
  const two = ports([{ containerPort: 53 }, { containerPort: 53, protocol: "UDP" }]);
  const named = patched(two, ports([{ containerPort: 53, protocol: "UDP", name: "dns" }]));
  assert.deepEqual(
    named,
    ports([{ containerPort: 53 }, { containerPort: 53, protocol: "UDP", name: "dns" }]),
  );
});

test("what cannot be merged is named: an item without its key, an unknown directive", () => {
  const result = strategicMergePatch(kind.schema, deployment(), {
    spec: { $patch: "shuffle", template: { spec: { containers: [{ image: "x" }], $grow: 1 } } },
  });
  assert.ok(!result.ok);
  assert.deepEqual(
    result.error.map(({ field }) => field),
    ["spec", "spec.template.spec.containers[0]", "spec.template.spec"],
  );
});
