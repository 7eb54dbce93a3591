import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createApiBed, deployment } from "./testbed.ts";

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
