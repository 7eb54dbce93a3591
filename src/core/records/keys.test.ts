import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { managerProblem, recordManager } from "../intents/manager.ts";
import { utf8 } from "../kernel/bytes.ts";
import {
  goneKey,
  healKey,
  intentKey,
  linksKey,
  memberKey,
  objectKey,
  partsOf,
  podKey,
  statusKey,
  type ObjectRef,
} from "./keys.ts";
import { keyLengthMax } from "./record.ts";
import { isScope, keeps } from "./scope.ts";

const node = "0123456789abcdef0123";
const deployment: ObjectRef = { group: "apps", kind: "Deployment", namespace: "shop", name: "web" };
const namespace: ObjectRef = { group: "", kind: "Namespace", namespace: "", name: "shop" };

const word = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/);
const ref: fc.Arbitrary<ObjectRef> = fc.record(
  {
    group: fc.oneof(
      fc.constant(""),
      word.filter((group) => group !== "core"),
    ),
    kind: fc.constantFrom("ConfigMap", "Deployment"),
    namespace: fc.oneof(fc.constant(""), word),
    name: word,
  },
  { noNullPrototype: true },
);

test("a key says what it names: members, ends of membership, facts and pods", () => {
  assert.deepEqual(partsOf(memberKey(node)), { type: "member", node });
  assert.deepEqual(partsOf(goneKey(node)), { type: "gone", node });
  assert.deepEqual(partsOf(statusKey(node)), { type: "status", node });
  assert.deepEqual(partsOf(linksKey(node)), { type: "links", node });
  assert.deepEqual(partsOf(healKey(node)), { type: "heal", node });
  assert.deepEqual(partsOf(podKey(node, "u1")), { type: "pod", node, uid: "u1" });
});

test("an object's key has `core` for the core group and `-` for no namespace", () => {
  assert.equal(objectKey(deployment), "intent/apps/Deployment/shop/web");
  assert.equal(objectKey(namespace), "intent/core/Namespace/-/shop");
});

test("an intent key names its object and its manager, whatever characters the manager has", () => {
  fc.assert(
    fc.property(ref, fc.string({ unit: "grapheme" }), (ref, manager) => {
      assert.deepEqual(partsOf(intentKey(ref, manager)), { type: "intent", ref, manager });
    }),
  );
});

test("a manager cannot break out of its place in the key", () => {
  const key = intentKey(deployment, "x/../../core/Secret/-/all");
  assert.equal(key.split("/").length, 6);
  assert.ok(key.startsWith(`${objectKey(deployment)}/`));
});

test("any name that may be a manager's has a key of at most 1,024 bytes, with the longest names of an object", () => {
  const longest: ObjectRef = {
    group: "networking.k8s.io",
    kind: "HorizontalPodAutoscaler",
    namespace: "n".repeat(63),
    name: "a".repeat(253),
  };
  const units = fc.oneof(fc.constant("binary" as const), fc.constant("grapheme" as const));
  const name = units.chain((unit) => fc.string({ unit, maxLength: 140 }));
  fc.assert(
    fc.property(name, (name) => {
      if (managerProblem(name) !== undefined) return;
      for (const operation of ["Apply", "Update"] as const)
        assert.ok(utf8(intentKey(longest, recordManager(operation, name))).length <= keyLengthMax, name);
    }),
  );
});

test("a manager has 1 to 384 bytes once it is escaped, and only whole characters", () => {
  for (const name of ["kubectl", "%".repeat(128), "x".repeat(384), "\u{1f600}".repeat(32), "a/b c"])
    assert.equal(managerProblem(name), undefined, name);
  for (const name of ["", "%".repeat(129), "x".repeat(385), "\u20ac".repeat(128), "a\ud83d", "\udc00b"])
    assert.notEqual(managerProblem(name), undefined, JSON.stringify(name));
});

test("two objects or two managers never share a key", () => {
  const manager = fc.string({ unit: "grapheme", maxLength: 6 });
  fc.assert(
    fc.property(ref, manager, ref, manager, (one, left, other, right) => {
      const same = JSON.stringify([one, left]) === JSON.stringify([other, right]);
      assert.equal(intentKey(one, left) === intentKey(other, right), same);
    }),
  );
});

test("a key that no version of ours writes has no parts", () => {
  const foreign = [
    "",
    "/",
    "roster",
    `roster/member/${node}/x`,
    `roster/admin/${node}`,
    `node/${node}`,
    `node/${node}/secrets`,
    `node/${node}/status/x`,
    `node/${node}/pod`,
    `node/${node}/pod/u1/x`,
    "intent/apps/Deployment/shop/web",
    "intent/apps/Deployment/shop/web/a/b",
    "intent/apps/Deployment/shop/web/%",
    "intent/apps/Deployment/shop/web/%ff",
    ` roster/member/${node}`,
    `Roster/member/${node}`,
  ];
  for (const key of foreign) assert.equal(partsOf(key), undefined, key);
});

test("no text makes reading a key throw", () => {
  const part = fc.oneof(fc.constantFrom("roster", "node", "intent", "pod", "member", "%", ""), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      partsOf(parts.join("/"));
    }),
  );
});

test("a scope is the mesh, a region or a site, with a name of 1 to 63 characters as DNS has them", () => {
  for (const good of ["mesh", "site:a", "region:north-1.eu", `site:${"a".repeat(63)}`])
    assert.ok(isScope(good), good);
  for (const bad of ["", "Mesh", "mesh:x", "site:", "site:A", "site:-a", "site:a-", `site:${"a".repeat(64)}`])
    assert.ok(!isScope(bad), bad);
});

test("a node keeps what is for the mesh, its own site and its own region, and nothing of another", () => {
  const place = { site: "oslo", region: "north" };
  for (const kept of ["mesh", "site:oslo", "region:north"] as const) assert.ok(keeps(place, kept), kept);
  for (const other of ["site:bern", "region:south", "site:north", "region:oslo"] as const)
    assert.ok(!keeps(place, other), other);
});
