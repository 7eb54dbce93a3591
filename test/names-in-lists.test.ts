import assert from "node:assert/strict";
import { test } from "node:test";
import { healthOf } from "../src/api/health.ts";
import { presentObject, presentPod } from "../src/api/present.ts";
import { findResource } from "../src/api/resources.ts";
import { statusOf } from "../src/api/starlight-status.ts";
import { at } from "../src/api/testbed.ts";
import { why } from "../src/api/why.ts";
import type { JsonObject } from "../src/core/kernel/json.ts";
import { simConfig } from "../src/sim/run-seed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World } from "../src/sim/world.ts";
import { apiOf } from "./support/sim-api.ts";

/** Nodes are listed, and the slots of a DaemonSet named, by the names that people gave them. */

const labels = { app: "probe" };
const container = { name: "main", image: "probe:1", command: ["sleep", "1000"] };
const daemonSet = (requests: JsonObject): JsonObject => ({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  metadata: { name: "probe", namespace: "default" },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { runtimeClassName: "process", containers: [{ ...container, resources: { requests } }] },
    },
  },
});
const ref = { group: "apps", kind: "DaemonSet", namespace: "default", name: "probe" } as const;

function fleetOf5(requests: JsonObject) {
  const world = new World(3, [{ site: "oslo", region: "north", nodes: 5 }], simConfig, new Trace());
  for (const [number, machine] of world.machines.entries()) world.at(20 * number, () => machine.startAgent());
  world.run(10_000);
  const [first] = world.machines;
  assert.ok(first?.node !== undefined);
  const value = daemonSet(requests);
  first.write(1, { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" });
  world.run(world.now + 20_000);
  const { view } = first.node;
  const names = world.machines.map(({ name }) => name).sort();
  const byId = [...world.machines].sort((left, right) => (left.identity.id < right.identity.id ? -1 : 1));
  assert.notDeepEqual(
    byId.map(({ name }) => name),
    names,
    "ids are in another order",
  );
  return { view, deps: apiOf(first), names };
}

const all = (json: unknown, field: string): readonly unknown[] =>
  (json as readonly JsonObject[]).map((each) => each[field]);

test("health and status list 5 nodes by name", () => {
  const { deps, names } = fleetOf5({});
  assert.deepEqual(all(healthOf(deps, new URLSearchParams())["nodes"], "node"), names);
  assert.deepEqual(all(statusOf(deps)["nodes"], "name"), names);
});

test("the slots of a DaemonSet are node/NAME in why, in its pods and events, in the order of the names", () => {
  const { view, deps, names } = fleetOf5({});
  const slots = names.map((name) => `node/${name}`);
  const about = new URLSearchParams({ kind: "DaemonSet", name: "probe" });
  assert.deepEqual(all(why(deps, about)["slots"], "slot"), slots);
  const pods = view.pods().map((pod) => presentPod(pod, view));
  assert.equal(pods.length, 5);
  for (const pod of pods) {
    const annotations = at(pod, "metadata.annotations") as JsonObject;
    assert.equal(annotations["starlight.dev/slot"], `node/${String(at(pod, "spec.nodeName"))}`);
  }
  const [pod] = view.pods();
  const message = `probe-1 for ${pod?.body.slot ?? ""} at revision 1: rank 1`;
  const notes = () => [{ at: 1, level: "info", reason: "SlotClaimed", message } as const];
  const events = findResource("", "v1", "events")?.list({ ...deps, notes });
  const [event] = events ?? [];
  assert.match(String(event?.["message"]), /^probe-1 for node\/oslo-\d at revision 1: rank 1$/);
});

test("the condition Degraded of a DaemonSet that fits nowhere names the nodes, in order", () => {
  const { view, names } = fleetOf5({ "example.org/camera": 1 });
  const object = view.object(ref);
  assert.ok(object !== undefined);
  const conditions = at(presentObject(object, view), "status.conditions") as readonly JsonObject[];
  const degraded = conditions.find(({ type }) => type === "Degraded");
  assert.equal(
    degraded?.["message"],
    `no node has room for ${names.map((name) => `node/${name}`).join(", ")}`,
  );
});
