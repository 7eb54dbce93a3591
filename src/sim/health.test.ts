import assert from "node:assert/strict";
import { test } from "node:test";
import type { Trouble } from "../core/records/health.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** What nodes say of their own health, and how seldom. */

function fleet(nodes: number) {
  const world = new World(3, [{ site: "oslo", region: "north", nodes }], simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  const [first, second] = world.machines;
  assert.ok(first !== undefined && second !== undefined);
  return { world, first, second };
}

const troubles = (seenBy: Machine, of: Machine): readonly Trouble[] =>
  seenBy.node?.view.member(of.identity.id)?.health?.troubles ?? [];
const types = (seenBy: Machine, of: Machine): readonly string[] =>
  troubles(seenBy, of).map(({ type }) => type);

test("a sound node says nothing of its health in 30 minutes", () => {
  const { world, first, second } = fleet(3);
  world.run(1_800_000);
  assert.equal(first.node?.view.member(second.identity.id)?.health, undefined);
});

test("a peer that is away for 60 s is named, no sooner, and no longer when it is back", () => {
  const { world, first, second } = fleet(3);
  second.powerOff();
  world.run(50_000);
  assert.deepEqual(types(first, first), []);
  world.run(100_000);
  const [trouble] = troubles(first, first);
  assert.equal(trouble?.type, "PeersUnreachable");
  assert.equal(trouble.message, `no contact with ${second.name}`);
  second.powerOn();
  world.run(140_000);
  assert.deepEqual(types(first, first), []);
});

test("a trouble keeps its beginning, however long it lasts and over a restart, and is written once", () => {
  const { world, first, second } = fleet(3);
  const third = world.machines[2];
  assert.ok(third !== undefined);
  third.powerOff();
  world.run(100_000);
  const before = troubles(second, first);
  assert.equal(before.length, 1);
  const newest = (): number | undefined =>
    [...(second.node?.view.heads() ?? [])].find(
      ({ author, kind }) => author === first.identity.id && kind === "fact",
    )?.at;
  const head = newest();
  world.run(100_000 + simConfig.tombstoneEvery / 2);
  assert.deepEqual(troubles(second, first), before);
  assert.equal(newest(), head);
  world.run(200_000);
  assert.deepEqual(troubles(second, first), before);
  first.killAgent();
  first.startAgent();
  world.run(300_000);
  assert.deepEqual(troubles(second, first), before);
});

test("an agent that is started again twice within an hour says so, and no more an hour later", () => {
  const { world, first, second } = fleet(2);
  const restart = (until: number): void => {
    second.killAgent();
    second.startAgent();
    world.run(until);
  };
  restart(40_000);
  assert.deepEqual(types(first, second), []);
  assert.equal(first.node?.view.member(second.identity.id)?.health?.restarts?.length, 1);
  restart(80_000);
  assert.deepEqual(types(first, second), ["AgentRestarts"]);
  world.run(80_000 + 3_700_000);
  assert.deepEqual(types(first, second), []);
});

test("an agent that stood still for 2 s or more says for how long at most, for 10 minutes", () => {
  const { world, first, second } = fleet(2);
  first.deliver({ type: "stalled", by: 1_900 });
  second.deliver({ type: "stalled", by: 2_900 });
  world.run(40_000);
  assert.deepEqual(types(second, first), []);
  assert.equal(troubles(first, second)[0]?.message, "the agent stood still for up to 4 s");
  world.run(700_000);
  assert.deepEqual(types(first, second), []);
});

test("a program that is started again and again is named by its workload", () => {
  const { world, first, second } = fleet(2);
  const labels = { app: "till" };
  const container = { name: "main", image: "sim", command: ["run"] };
  const value = {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "till", namespace: "default" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { runtimeClassName: "process", containers: [container] } },
    },
  };
  const ref = { group: "apps", kind: "DaemonSet", namespace: "default", name: "till" };
  const change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
  first.deliver({ type: "write", request: 1, changes: [change], actor: "me", dryRun: false });
  world.run(10_000);
  const [pod] = second.pods.values();
  assert.ok(pod !== undefined);
  const looping = {
    name: "main",
    image: "sim",
    state: "waiting",
    ready: false,
    restarts: 3,
    reason: "CrashLoopBackOff",
    ports: [],
  } as const;
  const report = { phase: "Running", ready: false, address: "10.0.0.1", containers: [looping] } as const;
  second.deliver({ type: "pod-report", report: { ...report, uid: pod.start.uid } });
  world.run(40_000);
  assert.deepEqual(
    troubles(first, second).map(({ type, message }) => `${type}: ${message}`),
    ["WorkloadsFailing: started again and again: daemonset/till (default)"],
  );
});
