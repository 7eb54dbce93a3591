import assert from "node:assert/strict";
import { after, test } from "node:test";
import { at, configMap, createApiBed, deployment } from "./testbed.ts";

const bed = await createApiBed("objects");
after(() => bed.close());
const { call, watch } = bed;

const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";

test("a ConfigMap is created with 201, read, listed, and gone after its deletion", async () => {
  const created = await call("POST", maps, configMap("life", { a: "1" }));
  assert.equal(created.status, 201);
  assert.equal(created.headers["starlight-durability"], "local; site=1/1");
  assert.match(String(at(created.body, "metadata.uid")), /./);
  assert.equal(at(created.body, "metadata.namespace"), "default");
  const got = await call("GET", `${maps}/life`);
  assert.equal(got.status, 200);
  assert.deepEqual(got.body, created.body);
  const list = await call("GET", maps);
  assert.equal(list.body["kind"], "ConfigMapList");
  assert.ok(namesOf(list.body).includes("life"));
  const everywhere = await call("GET", "/api/v1/configmaps?fieldSelector=metadata.name%3Dlife");
  assert.deepEqual(namesOf(everywhere.body), ["life"]);
  const removed = await call("DELETE", `${maps}/life`);
  assert.equal(removed.status, 200);
  assert.equal(removed.body["status"], "Success");
  assert.equal(at(removed.body, "details.uid"), at(created.body, "metadata.uid"));
  assert.equal((await call("GET", `${maps}/life`)).status, 404);
  assert.equal((await call("DELETE", `${maps}/life`)).status, 404);
});

test("a Deployment is created, replaced and deleted, and its status is never what a client sends", async () => {
  const sent = { ...deployment("web", 2), status: { replicas: 77 } };
  const created = await call("POST", deployments, sent);
  assert.equal(created.status, 201, created.text);
  assert.equal(at(created.body, "spec.replicas"), 2);
  assert.notEqual(at(created.body, "status.replicas"), 77);
  const replaced = await call("PUT", `${deployments}/web`, deployment("web", 3));
  assert.equal(replaced.status, 200);
  assert.equal(at((await call("GET", `${deployments}/web`)).body, "spec.replicas"), 3);
  assert.equal((await call("DELETE", `${deployments}/web`)).status, 200);
  assert.equal((await call("GET", `${deployments}/web`)).status, 404);
});

test("YAML bodies are read too", async () => {
  const yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata: {a: 'x'}\n";
  assert.equal((await call("POST", maps, yaml, { type: "application/yaml" })).status, 201);
  assert.equal(at((await call("GET", `${maps}/yaml`)).body, "data.a"), "x");
});

test("a second creation of one name is 409 AlreadyExists and changes nothing", async () => {
  await call("POST", maps, configMap("once", { a: "1" }));
  const again = await call("POST", maps, configMap("once", { a: "2" }));
  assert.equal(again.status, 409);
  assert.equal(again.body["reason"], "AlreadyExists");
  assert.equal(at((await call("GET", `${maps}/once`)).body, "data.a"), "1");
});

test("a merge patch sets, and removes with null", async () => {
  await call("POST", maps, configMap("merge", { a: "1", b: "2" }));
  const type = "application/merge-patch+json";
  const patched = await call("PATCH", `${maps}/merge`, { data: { a: null, c: "3" } }, { type });
  assert.equal(patched.status, 200);
  assert.deepEqual(patched.body["data"], { b: "2", c: "3" });
  assert.deepEqual((await call("GET", `${maps}/merge`)).body["data"], { b: "2", c: "3" });
});

test("a strategic merge patch merges containers by name where a merge patch replaces the list", async () => {
  await call("POST", deployments, deployment("strategic"));
  const patch = { spec: { template: { spec: { containers: [{ name: "main", image: "shop:2" }] } } } };
  const path = `${deployments}/strategic`;
  const strategic = await call("PATCH", path, patch, { type: "application/strategic-merge-patch+json" });
  assert.equal(strategic.status, 200, strategic.text);
  const containers = "spec.template.spec.containers";
  assert.equal(at(strategic.body, `${containers}.0.image`), "shop:2");
  assert.deepEqual(at(strategic.body, `${containers}.0.command`), ["sleep", "1000"]);
  const merged = await call("PATCH", path, patch, { type: "application/merge-patch+json" });
  assert.equal(at(merged.body, `${containers}.0.command`), undefined);
});

test("a JSON patch is done whole or not at all", async () => {
  await call("POST", maps, configMap("json", { a: "1" }));
  const type = "application/json-patch+json";
  const add = { op: "add", path: "/data/b", value: "2" };
  const done = await call("PATCH", `${maps}/json`, [{ op: "test", path: "/data/a", value: "1" }, add], {
    type,
  });
  assert.equal(done.status, 200, done.text);
  assert.deepEqual(done.body["data"], { a: "1", b: "2" });
  const third = { op: "add", path: "/data/c", value: "3" };
  const refused = await call("PATCH", `${maps}/json`, [third, { op: "remove", path: "/data/zzz" }], { type });
  assert.equal(refused.status, 422);
  assert.equal(at(refused.body, "details.causes.0.field"), "patch[1]");
  assert.deepEqual((await call("GET", `${maps}/json`)).body["data"], { a: "1", b: "2" });
});

test("an apply creates with 201, updates with 200, and drops what its manager no longer names", async () => {
  const apply = (data: { readonly [key: string]: string }, query = "fieldManager=gitops") =>
    call("PATCH", `${maps}/applied?${query}`, configMap("applied", data), { type: applyType });
  assert.equal((await apply({ a: "1", b: "2" })).status, 201);
  const second = await apply({ a: "1" });
  assert.equal(second.status, 200);
  assert.deepEqual(second.body["data"], { a: "1" });
});

test("an apply of what another manager set is 409 with the field and the manager, and force takes it", async () => {
  const apply = (value: string, query: string) =>
    call("PATCH", `${maps}/owned?${query}`, configMap("owned", { a: value }), { type: applyType });
  await apply("1", "fieldManager=first");
  const refused = await apply("2", "fieldManager=second");
  assert.equal(refused.status, 409);
  assert.equal(at(refused.body, "details.causes.0.reason"), "FieldManagerConflict");
  assert.equal(at(refused.body, "details.causes.0.field"), ".data.a");
  assert.match(String(refused.body["message"]), /^Apply failed with 1 conflict: conflict with "first"/);
  assert.equal(at((await call("GET", `${maps}/owned`)).body, "data.a"), "1");
  assert.equal((await apply("2", "fieldManager=second&force=true")).status, 200);
  assert.equal(at((await call("GET", `${maps}/owned`)).body, "data.a"), "2");
});

test("a patch of an unknown type is 415, of an absent object 404", async () => {
  await call("POST", maps, configMap("typed", { a: "1" }));
  const type = "application/merge-patch+json";
  assert.equal((await call("PATCH", `${maps}/typed`, {}, { type: "application/json" })).status, 415);
  assert.equal((await call("PATCH", `${maps}/absent`, { data: {} }, { type })).status, 404);
});

test("dryRun=All shows what would be and stores nothing", async () => {
  const dry = await call("POST", `${maps}?dryRun=All`, configMap("dry", { a: "1" }));
  assert.equal(dry.status, 201);
  assert.deepEqual(dry.body["data"], { a: "1" });
  assert.equal((await call("GET", `${maps}/dry`)).status, 404);
});

test("a write with an outdated resourceVersion is 409 and changes nothing", async () => {
  const created = await call("POST", maps, configMap("raced", { a: "1" }));
  const fresh = await call("PUT", `${maps}/raced`, { ...created.body, data: { a: "2" } });
  assert.equal(fresh.status, 200, fresh.text);
  const stale = await call("PUT", `${maps}/raced`, { ...created.body, data: { a: "3" } });
  assert.equal(stale.status, 409);
  assert.equal(stale.body["reason"], "Conflict");
  assert.equal(at((await call("GET", `${maps}/raced`)).body, "data.a"), "2");
});

test("lists are narrowed by labels and cut into pages of 2", async () => {
  for (const name of ["page-1", "page-2", "page-3"]) {
    const map = configMap(name, {});
    await call("POST", maps, { ...map, metadata: { name, labels: { book: "one" } } });
  }
  const first = await call("GET", `${maps}?labelSelector=book%3Done&limit=2`);
  assert.deepEqual(namesOf(first.body), ["page-1", "page-2"]);
  assert.equal(at(first.body, "metadata.remainingItemCount"), 1);
  const token = String(at(first.body, "metadata.continue"));
  const second = await call("GET", `${maps}?labelSelector=book%3Done&limit=2&continue=${token}`);
  assert.deepEqual(namesOf(second.body), ["page-3"]);
  assert.equal(at(second.body, "metadata.continue"), undefined);
});

test("a field that is not supported is 422 with a Status that names it, and nothing is created", async () => {
  const wanted = deployment("typo");
  const spec = wanted["spec"] as { readonly [field: string]: string };
  const refused = await call("POST", deployments, { ...wanted, spec: { ...spec, replcas: 3, paused: true } });
  assert.equal(refused.status, 422);
  assert.equal(refused.body["kind"], "Status");
  assert.equal(refused.body["reason"], "Invalid");
  const causes = at(refused.body, "details.causes") as readonly { readonly field: string }[];
  assert.deepEqual(causes.map(({ field }) => field).sort(), ["spec.paused", "spec.replcas"]);
  assert.match(String(refused.body["message"]), /spec\.replcas/);
  assert.equal((await call("GET", `${deployments}/typo`)).status, 404);
});

test("a body that contradicts its path, has no name or no namespace is refused with the reason", async () => {
  const wrongName = await call("PUT", `${maps}/left`, configMap("right", {}));
  assert.equal(wrongName.status, 400);
  assert.match(
    String(wrongName.body["message"]),
    /metadata\.name: Invalid value: "right": the path says "left"/,
  );
  const wrongKind = await call("POST", deployments, configMap("a", {}));
  assert.match(String(wrongKind.body["message"]), /the path is for "Deployment"/);
  const nameless = await call("POST", maps, { apiVersion: "v1", kind: "ConfigMap", metadata: {} });
  assert.equal(nameless.status, 422);
  const elsewhere = await call("POST", maps.replace("default", "nowhere"), configMap("a", {}));
  assert.equal(elsewhere.status, 404);
  assert.match(String(elsewhere.body["message"]), /namespaces "nowhere" not found/);
});

test("a watch from a list's version streams ADDED, MODIFIED and DELETED with rising versions", async (t) => {
  const version = String(at((await call("GET", maps)).body, "metadata.resourceVersion"));
  const events = await watch(`${maps}?watch=true&resourceVersion=${version}&labelSelector=seen%3Dyes`);
  t.after(events.close);
  const map = configMap("watched", { a: "1" });
  await call("POST", maps, configMap("unseen", {}));
  await call("POST", maps, { ...map, metadata: { name: "watched", labels: { seen: "yes" } } });
  const added = await events.next();
  await call("PATCH", `${maps}/watched`, { data: { a: "2" } }, { type: "application/merge-patch+json" });
  const modified = await events.next();
  await call("DELETE", `${maps}/watched`);
  const deleted = await events.next();
  assert.deepEqual(
    [added, modified, deleted].map(({ type, object }) => [type, at(object, "metadata.name")]),
    [
      ["ADDED", "watched"],
      ["MODIFIED", "watched"],
      ["DELETED", "watched"],
    ],
  );
  assert.equal(at(modified.object, "data.a"), "2");
  const versions = [added, modified].map(({ object }) => Number(at(object, "metadata.resourceVersion")));
  assert.ok((versions[1] ?? 0) > (versions[0] ?? 0) && (versions[0] ?? 0) > Number(version));
});

test("a watch without a version begins with what is there; one from another life is told to list again", async (t) => {
  await call("POST", maps, configMap("there", {}));
  const events = await watch(`${maps}?watch=1&fieldSelector=metadata.name%3Dthere`);
  t.after(events.close);
  const first = await events.next();
  assert.equal(first.type, "ADDED");
  assert.equal(at(first.object, "metadata.name"), "there");
  const old = await watch(`${maps}?watch=1&resourceVersion=1`);
  const error = await old.next();
  assert.equal(error.type, "ERROR");
  assert.equal(error.object["code"], 410);
  await assert.rejects(old.next(), /ended/);
});

test("a watch with sendInitialEvents marks the end of what was there", async (t) => {
  await call("POST", maps, configMap("initial", {}));
  const query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
  const events = await watch(`${maps}?${query}&fieldSelector=metadata.name%3Dinitial`);
  t.after(events.close);
  assert.equal((await events.next()).type, "ADDED");
  const bookmark = await events.next();
  assert.equal(bookmark.type, "BOOKMARK");
  const annotations = at(bookmark.object, "metadata.annotations") as { readonly [name: string]: string };
  assert.equal(annotations["k8s.io/initial-events-end"], "true");
});

test("with the Accept header of kubectl a list and an object are tables", async () => {
  await call("POST", maps, configMap("tabled", { a: "1", b: "2" }));
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const selected = `${maps}?fieldSelector=metadata.name%3Dtabled`;
  const one = await call("GET", `${maps}/tabled`, undefined, { accept });
  for (const { body } of [one, await call("GET", selected, undefined, { accept })]) {
    assert.equal(body["kind"], "Table");
    assert.equal(body["apiVersion"], "meta.k8s.io/v1");
    const columns = at(body, "columnDefinitions") as readonly { readonly name: string }[];
    assert.deepEqual(
      columns.map(({ name }) => name),
      ["Name", "Data", "Age"],
    );
    assert.deepEqual((at(body, "rows.0.cells") as readonly string[]).slice(0, 2), ["tabled", 2]);
    assert.equal(at(body, "rows.0.object.kind"), "PartialObjectMetadata");
  }
  assert.equal((await call("GET", selected)).body["kind"], "ConfigMapList");
});

test("the scale of a Deployment is read, patched and put, and nothing else of it changes", async () => {
  await call("POST", deployments, deployment("scaled", 2));
  const path = `${deployments}/scaled/scale`;
  const before = await call("GET", path);
  assert.equal(before.body["kind"], "Scale");
  assert.equal(before.body["apiVersion"], "autoscaling/v1");
  assert.equal(at(before.body, "spec.replicas"), 2);
  assert.equal(at(before.body, "status.selector"), "app=scaled");
  const type = "application/merge-patch+json";
  const patched = await call("PATCH", path, { spec: { replicas: 5 } }, { type });
  assert.equal(patched.status, 200, patched.text);
  assert.equal(at(patched.body, "spec.replicas"), 5);
  await call("PUT", path, { ...before.body, spec: { replicas: 4 } });
  const { body } = await call("GET", `${deployments}/scaled`);
  assert.equal(at(body, "spec.replicas"), 4);
  assert.equal(at(body, "spec.template.spec.containers.0.image"), "shop:1");
  assert.equal((await call("PUT", path, { spec: {} })).status, 422);
  assert.equal((await call("PUT", path, { spec: { replicas: -1 } })).status, 422);
  assert.equal((await call("GET", `${deployments}/absent/scale`)).status, 404);
});

test("default is a namespace that is always there, and one that was made holds objects", async () => {
  assert.equal((await call("GET", "/api/v1/namespaces/default")).status, 200);
  assert.equal((await call("DELETE", "/api/v1/namespaces/default")).status, 403);
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } };
  assert.equal((await call("POST", "/api/v1/namespaces", namespace)).status, 201);
  const inside = maps.replace("default", "shop");
  assert.equal((await call("POST", inside, configMap("inside", {}))).status, 201);
  assert.deepEqual(namesOf((await call("GET", inside)).body), ["inside"]);
  assert.ok(!namesOf((await call("GET", maps)).body).includes("inside"));
});

const applyType = "application/apply-patch+yaml";

function namesOf(list: Parameters<typeof at>[0]): readonly string[] {
  const items = at(list, "items") as readonly { readonly metadata: { readonly name: string } }[];
  return items.map(({ metadata }) => metadata.name);
}

test("a field manager that fits no key is 422 by name, and nothing is written", async () => {
  const path = `${maps}/managed?fieldManager=${encodeURIComponent("\u20ac".repeat(128))}`;
  const long = await call("PATCH", path, configMap("managed", { a: "1" }), { type: applyType });
  assert.equal(long.status, 422, long.text);
  assert.equal(at(long.body, "details.causes.0.field"), "fieldManager");
  assert.match(String(long.body["message"]), /1152 bytes/);
  const half = await call("POST", "/starlight/v1/apply", {
    objects: [configMap("managed", { a: "1" })],
    manager: "a\ud800",
  });
  assert.equal(half.status, 422, half.text);
  assert.match(String(half.body["message"]), /surrogate/);
  const none = { objects: [configMap("managed", {})], manager: 7 };
  assert.equal((await call("POST", "/starlight/v1/apply", none)).status, 400);
  assert.equal((await call("GET", `${maps}/managed`)).status, 404);
  const longest = `${maps}/managed?fieldManager=${encodeURIComponent("%".repeat(128))}`;
  const taken = await call("PATCH", longest, configMap("managed", { a: "1" }), { type: applyType });
  assert.equal(taken.status, 201, taken.text);
});
