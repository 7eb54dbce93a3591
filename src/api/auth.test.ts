import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createToken } from "../app/tokens.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import { configMap, createApiBed, deployment } from "./testbed.ts";

const bed = await createApiBed("auth");
after(() => bed.close());
const { call } = bed;

const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";

test("a request that asks to act as another user is refused with 403, whoever sends it, and changes nothing", async () => {
  await call("POST", deployments, deployment("spared"));
  for (const headers of [
    { "impersonate-user": "ada" },
    { "impersonate-user": "ada", "impersonate-group": "system:masters" },
    { "impersonate-group": "starlight:viewers" },
    { "impersonate-uid": "1" },
    { "impersonate-extra-scope": "all" },
  ] as { [name: string]: string }[]) {
    const { status, body } = await call("DELETE", `${deployments}/spared`, undefined, { headers });
    assert.equal(status, 403);
    assert.equal(body["kind"], "Status");
    assert.equal(body["reason"], "Forbidden");
    assert.match(String(body["message"]), /impersonation is not supported/);
    assert.match(String(body["message"]), /starlight kubeconfig --user \S+ --group GROUP/);
    for (const [method, path] of [
      ["GET", maps],
      ["GET", "/starlight/v1/status"],
      ["POST", "/starlight/v1/invites"],
    ] as const) {
      const other = await call(method, path, method === "POST" ? {} : undefined, { headers });
      assert.deepEqual([other.status, other.body["kind"]], [403, "Status"], path);
    }
  }
  assert.equal((await call("GET", `${deployments}/spared`)).status, 200);
});

test("who is refused is told which groups may do that verb, and never its own", async () => {
  const as = { token: bed.viewer };
  const refusedOf = async (method: string, path: string, body?: object): Promise<string> => {
    const { status, body: said } = await call(method, path, body as JsonObject | undefined, as);
    assert.equal(status, 403);
    return String(said["message"]);
  };
  const writers = "groups system:masters, starlight:editors, starlight:git and starlight:overriders may";
  assert.equal(
    await refusedOf("DELETE", `${deployments}/shop`),
    `User "victor" cannot delete resource "deployments": ${writers}`,
  );
  assert.equal(
    await refusedOf("POST", maps, configMap("a", {})),
    `User "victor" cannot create resource "configmaps": ${writers}`,
  );
  assert.equal(
    await refusedOf("GET", "/api/v1/namespaces/default/pods/shop/proxy/"),
    'User "victor" cannot proxy resource "pods/proxy": group system:masters may',
  );
});

test("who is in no group is told of all that may read", async () => {
  const token = createToken(bed.directory, { name: "nobody", groups: [] }, Date.now());
  const { status, body } = await call("GET", maps, undefined, { token });
  assert.equal(status, 403);
  assert.equal(
    body["message"],
    'User "nobody" cannot list resource "configmaps": groups system:masters, starlight:editors, starlight:git, starlight:overriders and starlight:viewers may',
  );
});
