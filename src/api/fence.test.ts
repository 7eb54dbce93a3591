import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "../../test/support/poll.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import { isLoopback } from "./fence.ts";
import { at, createApiBed, deployment } from "./testbed.ts";

const bed = await createApiBed("fence");
after(() => bed.close());
const { call } = bed;

const apps = "/apis/apps/v1/namespaces/default";
/** A workload's own question: it has no credentials. */
const ask = (pod: string) => call("GET", `/starlight/v1/fence/${pod}`, undefined, { token: "" });

function onNothing(kind: "Deployment" | "StatefulSet", name: string): JsonObject {
  const object = structuredClone(deployment(name)) as { kind: string; spec: { template: { spec: object } } };
  object.kind = kind;
  Object.assign(object.spec.template.spec, { runtimeClassName: "none" });
  return object as unknown as JsonObject;
}

test("a fence is told without credentials by name, by namespace/name and by uid, and its time runs on", async () => {
  const made = await call("POST", `${apps}/statefulsets`, {
    ...onNothing("StatefulSet", "ledger"),
    spec: { ...(onNothing("StatefulSet", "ledger")["spec"] as JsonObject), serviceName: "ledger" },
  });
  assert.equal(made.status, 201, made.text);
  const first = await eventually("ledger-0 holds its name", async () => {
    const answer = await ask("ledger-0");
    return answer.body["held"] === true ? answer : undefined;
  });
  const { pod, namespace, lease, token, leftMs, uid } = first.body;
  assert.deepEqual(
    { pod, namespace, lease },
    { pod: "ledger-0", namespace: "default", lease: "apps/StatefulSet/default/ledger mesh/0" },
  );
  assert.ok(Number.isSafeInteger(token) && Number(token) > 0, `token ${String(token)}`);
  assert.ok(Number(leftMs) > 0 && Number(leftMs) <= 10_000, `leftMs ${String(leftMs)}`);
  const shown = await call("GET", "/api/v1/namespaces/default/pods/ledger-0");
  assert.equal(at(shown.body, "metadata.uid"), uid);
  const annotations = at(shown.body, "metadata.annotations") as JsonObject;
  assert.equal(annotations["starlight.dev/fencing-token"], String(token));
  for (const name of ["default/ledger-0", String(uid)]) {
    const again = await ask(name);
    assert.equal(again.status, 200, name);
    assert.equal(again.body["token"], token);
  }
});

test("the fence of a pod that needs no lease, or is not here, is 404, and only GET is answered", async () => {
  assert.equal((await call("POST", `${apps}/deployments`, onNothing("Deployment", "shop"))).status, 201);
  const name = await eventually("the pod is claimed", async () => {
    const pods = await call("GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dshop");
    return at(pods.body, "items.0.metadata.name");
  });
  for (const pod of [String(name), "ledger-1", "other/ledger-0", "", "%2e%2e"]) {
    const { status, body } = await ask(pod);
    assert.deepEqual([pod, status, body["reason"]], [pod, 404, "NotFound"]);
  }
  const posted = await call("POST", "/starlight/v1/fence/ledger-0", {}, { token: "" });
  assert.equal(posted.status, 405, posted.text);
});

test("the loopback is 127.0.0.0/8 and ::1, also when mapped, and no other address", () => {
  for (const address of ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"])
    assert.equal(isLoopback(address), true, address);
  for (const address of ["", "192.0.2.7", "::ffff:192.0.2.7", "::11", "1127.0.0.1", "fe80::127.0.0.1"])
    assert.equal(isLoopback(address), false, address);
});
