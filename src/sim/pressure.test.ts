import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import type { PodBody } from "../core/records/bodies.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Machines of a site that run short of memory. */

const mebi = 2 ** 20;
const labels = { app: "shop" };
type Options = {
  readonly kind?: string;
  readonly spec?: JsonObject;
  readonly name?: string;
  readonly memory?: string;
  readonly priorityClass?: string;
};

function workload({
  kind = "Deployment",
  spec = {},
  name = "shop",
  memory,
  priorityClass,
}: Options): JsonObject {
  const resources = memory === undefined ? {} : { requests: { memory } };
  const container = { name: "main", image: "sim", command: ["run"], resources };
  const job = kind === "Job";
  return {
    apiVersion: job ? "batch/v1" : "apps/v1",
    kind,
    metadata: { name, namespace: "default" },
    spec: {
      ...(job ? {} : { selector: { matchLabels: labels } }),
      template: {
        metadata: { labels },
        spec: {
          runtimeClassName: "process",
          containers: [container],
          ...(job ? { restartPolicy: "Never" } : {}),
          ...(priorityClass === undefined ? {} : { priorityClassName: priorityClass }),
        },
      },
      ...spec,
    },
  };
}

function fleet(nodes: number) {
  const world = new World(7, [{ site: "oslo", region: "north", nodes }], simConfig, new Trace());
  const events: string[] = [];
  world.observers.push({
    podStarted: (machine, { start }) => events.push(`+${start.name.replace(/-.*/, "")} ${machine.name}`),
    podStopping: (machine, { start }) => events.push(`-${start.name.replace(/-.*/, "")} ${machine.name}`),
  });
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  let requests = 0;
  const [first] = world.machines;
  assert.ok(first !== undefined);
  return {
    world,
    first,
    events,
    write: (value: JsonObject): void => {
      const { name, namespace } = value["metadata"] as { readonly name: string; readonly namespace?: string };
      const [group = "", version] = String(value["apiVersion"]).split("/");
      const kind = String(value["kind"]);
      const ref = { group: version === undefined ? "" : group, kind, namespace: namespace ?? "", name };
      const change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
      first.deliver({ type: "write", request: ++requests, changes: [change], actor: "me", dryRun: false });
    },
    holderOf: (name: string): Machine => {
      const found = world.machines.find(({ pods }) =>
        [...pods.values()].some(({ start }) => start.name.startsWith(`${name}-`)),
      );
      assert.ok(found !== undefined, `nobody runs ${name}`);
      return found;
    },
    facts: (machine: Machine, name: string): readonly PodBody[] =>
      (machine.node?.view.pods() ?? []).flatMap(({ body }) => (body.workload.name === name ? [body] : [])),
  };
}

/** What the machine says, with 100 MiB as what is to stay free; pods use what is named, 50 MiB otherwise. */
function short(
  machine: Machine,
  availableMiB: number,
  used: { readonly [workload: string]: number } = {},
): void {
  const usedByPod = new Map(
    [...machine.pods.values()].map(({ start }) => [
      start.uid,
      (used[start.name.replace(/-.*/, "")] ?? 50) * mebi,
    ]),
  );
  const sample = {
    availableBytes: availableMiB * mebi,
    wantedBytes: 100 * mebi,
    stalledPercent: 0,
    usedByPod,
  };
  machine.deliver({ type: "memory", sample });
}

const conditionsOf = (seenBy: Machine, of: Machine): readonly string[] =>
  (seenBy.node?.view.member(of.identity.id)?.health?.troubles ?? []).map(({ type }) => type);

test("with 80 of 100 MiB left a pod is handed over: its replacement starts before it is stopped", () => {
  const { world, events, write, holderOf, facts, first } = fleet(3);
  write(workload({ spec: { replicas: 1 } }));
  world.run(15_000);
  const holder = holderOf("shop");
  short(holder, 80);
  world.run(25_000);
  const next = holderOf("shop");
  assert.notEqual(next, holder);
  assert.deepEqual(events, [`+shop ${holder.name}`, `+shop ${next.name}`, `-shop ${holder.name}`]);
  assert.deepEqual(
    facts(first, "shop").map(({ phase, ready }) => [phase, ready]),
    [["Running", true]],
  );
});

test("with 40 of 100 MiB left a pod fails at once as Evicted, stays to be seen, and is placed elsewhere", () => {
  const { world, events, write, holderOf, facts, first } = fleet(3);
  write(workload({ spec: { replicas: 1 }, memory: "10Mi" }));
  world.run(15_000);
  const holder = holderOf("shop");
  short(holder, 40);
  assert.deepEqual(events.at(-1), `-shop ${holder.name}`);
  world.run(25_000);
  assert.notEqual(holderOf("shop"), holder);
  const failed = facts(first, "shop").find(({ phase }) => phase === "Failed");
  assert.equal(failed?.reason, "Evicted");
  const message = "The node was low on resource: memory (threshold 100Mi, available 40Mi).";
  assert.equal(failed.message, `${message} The pod used 50Mi, its request is 10Mi.`);
  short(holder, 500);
  world.run(25_000 + simConfig.pressureHold);
  short(holder, 500);
  world.run(30_000 + simConfig.pressureHold);
  assert.deepEqual(
    facts(first, "shop").map(({ phase }) => phase),
    ["Running"],
  );
});

test("a pod that is being handed over ends at once when memory falls from 80 to 40 of 100 MiB", () => {
  const { world, events, write, holderOf } = fleet(3);
  write(workload({ spec: { replicas: 1 } }));
  world.run(15_000);
  const holder = holderOf("shop");
  short(holder, 80);
  assert.equal(events.length, 1, "the replacement is waited for");
  short(holder, 40);
  assert.equal(events.at(-1), `-shop ${holder.name}`);
});

test("a lone node's pod fails as Evicted, waits while memory is short, and returns after 20 s with plenty", () => {
  const { world, events, write, facts, first } = fleet(1);
  write(workload({ spec: { replicas: 1 } }));
  world.run(10_000);
  short(first, 80);
  world.run(30_000);
  assert.deepEqual(events, [`+shop ${first.name}`, `-shop ${first.name}`]);
  assert.equal(facts(first, "shop")[0]?.reason, "Evicted");
  assert.deepEqual(conditionsOf(first, first), ["MemoryPressure"]);
  // Enough, but not half as much again: the shortage is not over, however long that lasts.
  for (let at = 31_000; at < 90_000; at += 1_000) {
    short(first, 120);
    world.run(at);
  }
  assert.equal(events.length, 2);
  for (let at = 90_000; at < 120_000; at += 1_000) {
    short(first, 200);
    world.run(at);
    if (at < 109_000) assert.equal(events.length, 2, `after ${at - 89_000} ms of plenty`);
  }
  assert.deepEqual(events.slice(2), [`+shop ${first.name}`]);
  assert.deepEqual(conditionsOf(first, first), []);
  assert.deepEqual(
    facts(first, "shop").map(({ phase }) => phase),
    ["Running"],
  );
});

test("pods go one at a time and 10 s apart, those above their request first, then by priority", () => {
  const { world, events, write, first } = fleet(1);
  write({
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: "dear" },
    value: 100,
  });
  write(workload({ name: "modest", spec: { replicas: 1 }, memory: "60Mi" }));
  write(workload({ name: "dear", spec: { replicas: 1 }, memory: "10Mi", priorityClass: "dear" }));
  write(workload({ name: "greedy", spec: { replicas: 1 }, memory: "10Mi" }));
  world.run(10_000);
  assert.equal(events.length, 3);
  const ended = (): string[] => events.slice(3).map((event) => event.replace(/ .*/, ""));
  const seen: string[][] = [];
  for (let at = 10_000; at < 45_000; at += 1_000) {
    short(first, 30);
    world.run(at);
    if ((at - 10_000) % 10_000 === 9_000) seen.push(ended());
  }
  assert.deepEqual(seen, [["-greedy"], ["-greedy", "-dear"], ["-greedy", "-dear", "-modest"]]);
});

test("everything standing still counts from twice the wanted memory on, and not above it", () => {
  const { world, events, write, first } = fleet(1);
  write(workload({ spec: { replicas: 1 } }));
  world.run(10_000);
  const [pod] = first.pods.values();
  const usedByPod = new Map([[pod?.start.uid ?? "", 50 * mebi]]);
  const sample = { wantedBytes: 100 * mebi, stalledPercent: 10, usedByPod };
  first.deliver({ type: "memory", sample: { ...sample, availableBytes: 200 * mebi } });
  assert.equal(events.length, 1);
  first.deliver({ type: "memory", sample: { ...sample, availableBytes: 199 * mebi } });
  assert.equal(events.length, 2);
});

test("a node that is short of memory gets no new pods, and why-not names its taint", () => {
  const { world, write, first } = fleet(3);
  const [, second] = world.machines;
  assert.ok(second !== undefined);
  short(second, 90);
  world.run(8_000);
  write(workload({ spec: { replicas: 6 } }));
  world.run(20_000);
  assert.equal(second.pods.size, 0);
  const ref = { group: "apps", kind: "Deployment", namespace: "default", name: "shop" };
  const view = first.node?.view;
  const [slot] = view?.placement().whyNot(ref, second.name, view.clocks()) ?? [];
  const taint = slot?.checks.find(({ filter }) => filter === "taint");
  assert.equal(taint?.holds, false);
  assert.match(taint.detail, /node\.kubernetes\.io\/memory-pressure=:NoSchedule/);
});

test("a DaemonSet's pod that is evicted returns to its node when memory is plenty again, and not before", () => {
  const { world, events, write, first } = fleet(2);
  write(workload({ kind: "DaemonSet" }));
  world.run(10_000);
  assert.equal(events.length, 2);
  short(first, 40);
  world.run(60_000);
  assert.deepEqual(events.slice(2), [`-shop ${first.name}`]);
  for (let at = 60_000; at < 90_000; at += 1_000) {
    short(first, 400);
    world.run(at);
  }
  assert.deepEqual(events.slice(3), [`+shop ${first.name}`]);
});

test("an exclusive pod starts elsewhere only when nothing is left of it here", () => {
  const { world, write, holderOf } = fleet(3);
  write(workload({ kind: "StatefulSet", spec: { replicas: 1, serviceName: "shop" } }));
  world.run(20_000);
  const holder = holderOf("shop");
  let most = 0;
  const count = (): void => {
    most = Math.max(
      most,
      world.machines.reduce((sum, { pods }) => sum + pods.size, 0),
    );
  };
  world.observers.push({ podStarted: count });
  short(holder, 40);
  world.run(60_000);
  assert.notEqual(holderOf("shop"), holder);
  assert.equal(most, 1);
});

test("a job's pod that is evicted runs nowhere else before its end, and does not count as a failure of the job", () => {
  const { world, write, holderOf, first } = fleet(3);
  write(workload({ kind: "Job", spec: { backoffLimit: 0 } }));
  world.run(10_000);
  const holder = holderOf("shop");
  let most = 0;
  world.observers.push({
    podStarted: () => {
      most = world.machines.reduce((sum, { pods }) => sum + pods.size, 0);
    },
  });
  short(holder, 40);
  world.run(30_000);
  assert.notEqual(holderOf("shop"), holder);
  assert.equal(most, 1);
  const ref = { group: "batch", kind: "Job", namespace: "default", name: "shop" };
  const job = first.node?.view.object(ref);
  assert.ok(job !== undefined);
  const standing = first.node?.view.job(job);
  assert.equal(standing?.ended, undefined);
  assert.equal(
    standing?.bases.some(({ failures }) => failures > 0),
    false,
  );
});
