import assert from "node:assert/strict";
import { test } from "node:test";
import { done } from "./support/command.ts";
import { kubectlFleet } from "./support/kubectl-fleet.ts";
import { scriptContainer, workload } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** A StatefulSet through the real kubectl, on two real agents that vote on its leases. */

const { at, apply } = kubectlFleet(2);

const manifest = (version: string): object => {
  const container = scriptContainer('echo "$STARLIGHT_FENCING_TOKEN"; exec sleep 1000');
  const env = [{ name: "VERSION", value: version }];
  const podSpec = { terminationGracePeriodSeconds: 1, containers: [{ ...container, env }] };
  return workload("StatefulSet", "ledger", { replicas: 2, serviceName: "ledger" }, podSpec);
};

type Pod = { readonly name: string; readonly token: number; readonly uid: string };

async function pods(node: string): Promise<readonly Pod[]> {
  const { items } = JSON.parse(done(await at(node, ["get", "pods", "-l", "app=ledger", "-o", "json"]))) as {
    items: { metadata: { name: string; uid: string; annotations: { [name: string]: string } } }[];
  };
  return items.map(({ metadata: { name, uid, annotations } }) => ({
    name,
    uid,
    token: Number(annotations["starlight.dev/fencing-token"]),
  }));
}

const isReady = async (node: string, ready: string): Promise<boolean> => {
  const out = done(await at(node, ["get", "statefulset", "ledger", "--no-headers"]));
  return new RegExp(`^ledger\\s+${ready}\\s`).test(out);
};
/** Two agents that have just met found their electorate first. */
const limitMs = 60_000;

test("kubectl applies a StatefulSet of 2, and its pods are ledger-0 and ledger-1 under a token each", async () => {
  assert.match(done(await apply("lab-1", manifest("1"))), /statefulset\.apps\/ledger created/);
  assert.match(
    done(await at("lab-1", ["rollout", "status", "statefulset/ledger", "--timeout=50s"])),
    /rolling update complete 2 pods/,
  );
  assert.match(done(await at("lab-2", ["get", "sts"])), /^NAME\s+READY\s+AGE\nledger\s+2\/2\s/);
  const running = await pods("lab-2");
  assert.deepEqual(
    running.map(({ name }) => name),
    ["ledger-0", "ledger-1"],
  );
  for (const { name, token } of running)
    assert.equal(done(await at("lab-1", ["logs", name])).trim(), String(token));
});

test("kubectl scales it at the other node to 3 and down to 1, where ledger-0 stays", async () => {
  const [first] = await pods("lab-1");
  assert.match(done(await at("lab-2", ["scale", "statefulset/ledger", "--replicas=3"])), /scaled/);
  await eventually("3/3 are ready", () => isReady("lab-1", "3/3"), limitMs);
  assert.match(done(await at("lab-1", ["scale", "sts/ledger", "--replicas=1"])), /scaled/);
  await eventually("one pod is left", async () => (await pods("lab-2")).length === 1, limitMs);
  assert.deepEqual(await pods("lab-2"), [first]);
  done(await at("lab-1", ["scale", "sts/ledger", "--replicas=2"]));
  await eventually("2/2 are ready", () => isReady("lab-2", "2/2"), limitMs);
});

test("an update through kubectl waits in rollout status until both run it, under larger tokens", async () => {
  const before = await pods("lab-1");
  assert.match(done(await apply("lab-2", manifest("2"))), /configured/);
  assert.match(
    done(await at("lab-2", ["rollout", "status", "statefulset/ledger", "--timeout=50s"])),
    /rolling update complete 2 pods/,
  );
  const now = await pods("lab-1");
  assert.deepEqual(
    now.map(({ name }) => name),
    ["ledger-0", "ledger-1"],
  );
  for (const [at, { token, uid }] of now.entries()) {
    assert.ok(token > (before[at]?.token ?? 0), `${token} after ${before[at]?.token}`);
    assert.notEqual(uid, before[at]?.uid);
  }
});

test("kubectl describes it, refuses what it cannot do by name, and deletes it", async () => {
  assert.match(
    done(await at("lab-1", ["describe", "sts", "ledger"])),
    /Pods Status:\s+2 Running \/ 0 Waiting/,
  );
  const wrong = manifest("2") as { spec: { persistentVolumeClaimRetentionPolicy?: object } };
  wrong.spec.persistentVolumeClaimRetentionPolicy = { whenDeleted: "Delete" };
  const refused = await apply("lab-1", wrong);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /persistentVolumeClaimRetentionPolicy/);
  done(await at("lab-2", ["delete", "sts", "ledger"]));
  await eventually("no pod is left", async () => (await pods("lab-1")).length === 0, limitMs);
});
