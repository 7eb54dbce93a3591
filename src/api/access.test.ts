import assert from "node:assert/strict";
import { after, test } from "node:test";
import { issueUser } from "../app/issue-user.ts";
import { allKinds } from "../core/intents/kinds/index.ts";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { PlacementInput } from "../core/placement/contract.ts";
import { explain } from "../core/placement/decide.ts";
import { administrators, viewers } from "./auth.ts";
import { at, configMap, createApiBed, deployment, running } from "./testbed.ts";

const bed = await createApiBed("access");
after(() => bed.close());
const { call, viewer } = bed;

const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

test("without credentials everything but health and version is 401 with a Status", async () => {
  for (const path of [
    maps,
    `${maps}/a`,
    "/api",
    "/openapi/v3",
    "/starlight/v1/status",
    "/starlight/v1/why",
    "/starlight/v1/holds?author=a&version=1",
  ]) {
    for (const token of ["", "wrong", `starlight-${"A".repeat(43)}`]) {
      const { status, body } = await call("GET", path, undefined, { token });
      assert.equal(status, 401, path);
      assert.equal(body["reason"], "Unauthorized");
    }
  }
  assert.equal((await call("POST", maps, configMap("a", {}), { token: "" })).status, 401);
  assert.equal((await call("POST", reviews, {}, { token: "" })).status, 401);
  for (const path of ["/healthz", "/livez", "/readyz"]) {
    assert.equal((await call("GET", path, undefined, { token: "" })).text, "ok");
  }
  const version = await call("GET", "/version", undefined, { token: "" });
  assert.match(String(version.body["gitVersion"]), /^v1\.\d+\.0\+starlight\./);
});

test("a viewer reads everything and writes nothing: 403 with a Status that names user, verb and resource", async () => {
  await call("POST", maps, configMap("kept", { a: "1" }));
  await call("POST", deployments, deployment("kept"));
  const as = { token: viewer };
  for (const path of [
    maps,
    `${maps}/kept`,
    `${deployments}/kept/scale`,
    "/api/v1/nodes",
    "/starlight/v1/status",
    "/starlight/v1/holds?author=a&version=1",
  ]) {
    assert.equal((await call("GET", path, undefined, as)).status, 200, path);
  }
  const merge = { ...as, type: "application/merge-patch+json" };
  const apply = { ...as, type: "application/apply-patch+yaml" };
  const refused = [
    await call("POST", maps, configMap("new", {}), as),
    await call("PUT", `${maps}/kept`, configMap("kept", {}), as),
    await call("PATCH", `${maps}/kept`, { data: { a: "2" } }, merge),
    await call("PATCH", `${maps}/kept?force=true`, configMap("kept", { a: "2" }), apply),
    await call("DELETE", `${maps}/kept`, undefined, as),
    await call("PUT", `${deployments}/kept/scale`, { spec: { replicas: 9 } }, as),
    await call("POST", "/starlight/v1/apply", { objects: [configMap("kept", { a: "2" })] }, as),
    await call("GET", "/api/v1/namespaces/default/pods/kept/proxy/", undefined, as),
  ];
  for (const { status, body } of refused) {
    assert.equal(status, 403);
    assert.equal(body["kind"], "Status");
    assert.equal(body["reason"], "Forbidden");
  }
  assert.match(String(refused[4]?.body["message"]), /User "victor" cannot delete resource "configmaps"/);
  assert.deepEqual((await call("GET", `${maps}/kept`)).body["data"], { a: "1" });
  assert.equal(at((await call("GET", `${deployments}/kept`)).body, "spec.replicas"), 1);
  assert.equal((await call("GET", `${maps}/new`)).status, 404);
});

test("a client certificate speaks for its user, whatever token comes with it", async () => {
  const reader = { token: bed.admin, tls: await certificateOf("vera", [viewers]) };
  assert.equal((await call("GET", maps, undefined, reader)).status, 200);
  const refused = await call("POST", maps, configMap("by-vera", {}), reader);
  assert.equal(refused.status, 403);
  assert.match(String(refused.body["message"]), /"vera"/);
  const writer = { token: "", tls: await certificateOf("anna", [administrators]) };
  assert.equal((await call("POST", maps, configMap("by-anna", {}), writer)).status, 201);
  const nobody = { token: "", tls: await certificateOf("nobody", []) };
  assert.equal((await call("GET", maps, undefined, nobody)).status, 403);
});

test("SelfSubjectAccessReview says what a request would meet, for administrators and viewers", async () => {
  const ask = async (verb: string, resource: string, token: string): Promise<Json | undefined> => {
    const review = {
      kind: "SelfSubjectAccessReview",
      apiVersion: "authorization.k8s.io/v1",
      spec: { resourceAttributes: { verb, resource, namespace: "default" } },
    };
    const { status, body } = await call("POST", reviews, review, { token });
    assert.equal(status, 201);
    assert.equal(body["kind"], "SelfSubjectAccessReview");
    return at(body, "status.allowed");
  };
  for (const verb of ["get", "list", "watch", "create", "update", "patch", "delete"]) {
    assert.equal(await ask(verb, "deployments", bed.admin), true, verb);
    assert.equal(await ask(verb, "deployments", viewer), ["get", "list", "watch"].includes(verb), verb);
  }
});

test("discovery lists every kind with its verbs, in one document or in many", async () => {
  assert.deepEqual((await call("GET", "/api")).body["versions"], ["v1"]);
  const groups = at((await call("GET", "/apis")).body, "groups") as readonly { readonly name: string }[];
  assert.ok(groups.some(({ name }) => name === "apps"));
  const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  const whole = [];
  for (const root of ["/api", "/apis"]) {
    const { body, type } = await call("GET", root, undefined, { accept: aggregated });
    assert.equal(type, aggregated);
    whole.push(...(body["items"] as readonly Json[]));
  }
  for (const { group, version, kind, plural, shortNames } of allKinds()) {
    const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const listed = (at((await call("GET", path)).body, "resources") as readonly Json[]).find(
      (resource) => at(resource, "name") === plural,
    );
    assert.equal(at(listed, "kind"), kind);
    assert.deepEqual(at(listed, "shortNames"), shortNames);
    assert.ok((at(listed, "verbs") as readonly string[]).includes("watch"));
    const inGroup = whole.find((item) => (at(item, "metadata.name") ?? "") === group);
    const resources = at(inGroup, "versions.0.resources") as readonly Json[];
    assert.ok(resources.some((resource) => at(resource, "resource") === plural));
  }
});

test("OpenAPI has a document for each group version, with the fields of a Deployment and its kind", async () => {
  const paths = at((await call("GET", "/openapi/v3")).body, "paths") as { readonly [path: string]: Json };
  assert.ok(Object.keys(paths).includes("api/v1"));
  for (const entry of Object.values(paths)) {
    const document = await call("GET", String(at(entry, "serverRelativeURL")));
    assert.equal(document.status, 200);
    assert.match(String(document.body["openapi"]), /^3\./);
  }
  const { body } = await call("GET", "/openapi/v3/apis/apps/v1");
  const schemas = at(body, "components.schemas") as { readonly [name: string]: Json };
  const schema = schemas["dev.starlight.Deployment"];
  assert.equal(at(schema, "properties.spec.properties.replicas.type"), "integer");
  assert.equal(at(schema, "x-kubernetes-group-version-kind.0.kind"), "Deployment");
  assert.equal((await call("GET", "/openapi/v2")).status, 200);
});

test("what is not there is 404 with a Status: kinds, groups, versions, subresources, objects", async () => {
  const unknown = [
    "/api/v1/namespaces/default/secrets",
    "/api/v2/namespaces/default/configmaps",
    "/apis/batch/v2/namespaces/default/jobs",
    "/apis/apps/v1/namespaces/default/configmaps",
    `${maps}/a/scale`,
    `${maps}/absent`,
    "/starlight/v1/nonsense",
    "/elsewhere",
  ];
  for (const path of unknown) {
    const { status, body } = await call("GET", path);
    assert.equal(status, 404, path);
    assert.equal(body["kind"], "Status");
    assert.equal(body["reason"], "NotFound");
    assert.equal(body["code"], 404);
  }
});

test("pods and nodes are not created by people: 405 with advice", async () => {
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "own" }, spec: {} };
  const refused = await call("POST", "/api/v1/namespaces/default/pods", pod);
  assert.equal(refused.status, 405);
  assert.match(String(refused.body["message"]), /change or scale its workload instead/);
  assert.equal((await call("DELETE", "/api/v1/nodes/access")).status, 405);
});

test("what discovery does not offer is refused: a whole collection is not deleted", async () => {
  const resources = at((await call("GET", "/api/v1")).body, "resources") as readonly Json[];
  const listed = resources.find((resource) => at(resource, "name") === "configmaps");
  assert.ok(!(at(listed, "verbs") as readonly string[]).includes("deletecollection"));
  await call("POST", maps, configMap("spared", {}));
  const refused = await call("DELETE", maps);
  assert.equal(refused.status, 405);
  assert.match(String(refused.body["message"]), /one by one/);
  assert.equal((await call("GET", `${maps}/spared`)).status, 200);
});

test("a body of more than 3 MiB is 413, and the connection's agent goes on answering", async () => {
  const limit = 3 * 1024 * 1024;
  const { status, body } = await call("POST", maps, Buffer.alloc(limit + 1, " "));
  assert.equal(status, 413);
  assert.equal(body["kind"], "Status");
  assert.match(String(body["message"]), /more than 3145728 bytes/);
  assert.equal((await call("POST", maps, Buffer.alloc(limit, " "))).status, 400);
});

test("a body that is no JSON, no object, or of another type is refused with a Status", async () => {
  assert.equal((await call("POST", maps, "{")).status, 400);
  assert.equal((await call("POST", maps, "[1]")).status, 400);
  assert.equal((await call("POST", maps, "a: [", { type: "application/yaml" })).status, 400);
  const refused = await call("POST", maps, "<a/>", { type: "text/xml" });
  assert.equal(refused.status, 415);
  assert.match(String(refused.body["message"]), /text\/xml/);
});

test("a path that is no URL, or not decodable, is 400 and not an internal error", async () => {
  for (const path of ["/api/v1/namespaces/%zz/configmaps", "//"]) {
    const { status, body } = await call("GET", path);
    assert.equal(status, 400, path);
    assert.equal(body["reason"], "BadRequest");
  }
});

test("starlight/v1/status says who speaks, of what sites and nodes, and how much is in view", async () => {
  const { status, body } = await call("GET", "/starlight/v1/status");
  assert.equal(status, 200);
  assert.equal(at(body, "speaking.node"), "access");
  assert.equal(at(body, "speaking.mesh"), "test");
  assert.deepEqual(body["island"], { nodes: 1, of: 1, sites: 1, ofSites: 1 });
  assert.equal(at(body, "sites.0.name"), "here");
  assert.equal(at(body, "nodes.0.self"), true);
  assert.equal(body["conflicts"], 0);
  const before = body["stateHash"];
  await call("POST", maps, configMap("hashed", {}));
  assert.notEqual((await call("GET", "/starlight/v1/status")).body["stateHash"], before);
});

test("starlight/v1/conflicts and heal-report are empty in a mesh that was never parted", async () => {
  assert.deepEqual((await call("GET", "/starlight/v1/conflicts")).body, { conflicts: [] });
  const { body } = await call("GET", "/starlight/v1/heal-report?node=access");
  assert.equal(body["seenBy"], "access");
  assert.equal(at(body, "nodes.0.node"), "access");
  assert.deepEqual(at(body, "nodes.0.reports"), []);
  assert.equal((await call("GET", "/starlight/v1/heal-report?node=nobody")).status, 404);
});

test("starlight/v1/why has a slot for each of 2 copies, and a node's verdict with its reasons", async () => {
  await call("POST", deployments, deployment("asked", 2));
  const { body } = await call("GET", "/starlight/v1/why?name=asked");
  assert.equal(body["kind"], "Deployment");
  assert.equal((body["slots"] as readonly Json[]).length, 2);
  const node = await call("GET", "/starlight/v1/why?kind=Node&name=access");
  assert.equal(at(node.body, "verdict"), "alive");
  assert.equal((await call("GET", "/starlight/v1/why?name=absent")).status, 404);
  assert.equal((await call("GET", "/starlight/v1/why?kind=Node&name=absent")).status, 404);
});

test("why-not tells every filter of a node, why of a pod its one slot, timeline its claim with the reason", async () => {
  await call("POST", deployments, running("told", 2));
  const { body } = await call("GET", "/starlight/v1/why-not?node=access&name=told");
  const checks = at(body, "slots.0.checks") as readonly { filter: string; holds: boolean }[];
  assert.deepEqual(
    checks.map(({ filter }) => filter),
    [
      "site",
      "reachable",
      "nodeSelector",
      "nodeAffinity",
      "taint",
      "runtime",
      "tier",
      "restarts",
      "resources",
    ],
  );
  assert.equal((await call("GET", "/starlight/v1/why-not?node=nobody&name=told")).status, 404);
  const pods = await call("GET", "/api/v1/namespaces/default/pods");
  const names = (pods.body["items"] as readonly { metadata: { name: string } }[]).map(
    (pod) => pod.metadata.name,
  );
  const pod = names.find((name) => name.startsWith("told-")) ?? "";
  const asked = await call("GET", `/starlight/v1/why?kind=Pod&name=${pod}&inputs=true`);
  assert.equal((asked.body["slots"] as readonly Json[]).length, 1);
  assert.equal(at(asked.body, "slots.0.heldBy.0.pod"), pod);
  const inputs = asked.body["inputs"] as unknown as PlacementInput;
  const again = explain(inputs, { group: "apps", kind: "Deployment", namespace: "default", name: "told" });
  assert.deepEqual(
    again[0]?.ranking,
    at(asked.body, "slots.0.ranking"),
    "the recorded inputs give the answer again",
  );
  const told = await call("GET", "/starlight/v1/timeline?name=told");
  const entries = told.body["entries"] as readonly { reason: string; message: string }[];
  const claim = entries.find(({ reason }) => reason === "PodClaimed");
  assert.match(claim?.message ?? "", /mesh\/0 at revision .*no live copy fills the slot; rank 1 of 1/);
});

test("a workload without room is Degraded by name, and a DaemonSet that matches no node wants none", async () => {
  const resources = { requests: { "nvidia.com/gpu": 64 } };
  const containers = [{ name: "main", image: "shop:1", command: ["sleep", "1000"], resources }];
  await call("POST", deployments, running("big", 1, { containers }));
  const { body } = await call("GET", `${deployments}/big`);
  const conditions = at(body, "status.conditions") as readonly {
    type: string;
    status: string;
    message: string;
  }[];
  const found = conditions.find(({ type }) => type === "Degraded");
  assert.deepEqual([found?.status, found?.message], ["True", "no node has room for mesh/0"]);
  const daemonSets = deployments.replace("deployments", "daemonsets");
  const { replicas: _replicas, ...spec } = running("nowhere", 1, { nodeSelector: { disk: "tape" } })[
    "spec"
  ] as JsonObject;
  const daemonSet = { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name: "nowhere" }, spec };
  assert.equal((await call("POST", daemonSets, daemonSet)).status, 201);
  const nowhere = await call("GET", `${daemonSets}/nowhere`);
  assert.equal(at(nowhere.body, "status.desiredNumberScheduled"), 0);
});

test("starlight/v1/apply takes a set whole or not at all, and says what it did to each", async () => {
  const apply = (...objects: readonly Json[]) => call("POST", "/starlight/v1/apply", { objects });
  const bad = { ...deployment("set"), spec: {} };
  const refused = await apply(configMap("set", { a: "1" }), bad);
  assert.equal(refused.status, 422);
  assert.equal((await call("GET", `${maps}/set`)).status, 404);
  const results = async (...objects: readonly Json[]): Promise<readonly (Json | undefined)[]> => {
    const { status, body, text } = await apply(...objects);
    assert.equal(status, 200, text);
    return (body["results"] as readonly Json[]).map((result) => at(result, "result"));
  };
  assert.deepEqual(await results(configMap("set", { a: "1" }), deployment("set")), ["created", "created"]);
  assert.deepEqual(await results(configMap("set", { a: "2" }), deployment("set")), [
    "configured",
    "unchanged",
  ]);
  assert.equal((await apply()).status, 400);
  assert.equal((await apply({ apiVersion: "v1", kind: "Secret", metadata: { name: "a" } })).status, 400);
});

test("an expired client certificate is told so, with the machine's time and the fix", async () => {
  const yesterday = Date.now() - 2 * 86_400_000;
  const expired = await certificateOf("ada", [administrators], yesterday);
  const { status, body } = await call("GET", maps, undefined, { token: "", tls: expired });
  assert.equal(status, 401);
  assert.match(
    String(body["message"]),
    /^the client certificate is not valid by this machine's clock, which says 2\d{3}-[-\dT:]+Z: make a new one with `starlight kubeconfig`/,
  );
  const tls = await certificateOf("ada", [viewers]);
  const good = await call("GET", maps, undefined, { token: "", tls });
  assert.equal(good.status, 200);
});

async function certificateOf(
  name: string,
  groups: readonly string[],
  now = Date.now(),
): Promise<{ key: Buffer; cert: Buffer }> {
  const { directory, server } = bed;
  const kubeconfig = await issueUser({ directory, name, groups, server, days: 1, now });
  const data = (field: string): Buffer =>
    Buffer.from(new RegExp(`${field}: (\\S+)`).exec(kubeconfig)?.[1] ?? "", "base64");
  return { key: data("client-key-data"), cert: data("client-certificate-data") };
}
