import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import type { SlotExplanation } from "../core/placement/contract.ts";
import type { Machine } from "./machine.ts";
import type { SimPod } from "./sim-pod.ts";
import { simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** A program that ends again and again, and how often it moves for that. */

const ref = { group: "apps", kind: "Deployment", namespace: "default", name: "shop" };
const minute = 60_000;

type Options = { readonly budget?: string; readonly version?: string; readonly works?: boolean };

/** For long runs: few signs of life. */
const quiet = {
  ...simConfig,
  pingEvery: 20_000,
  silentAfter: 60_000,
  compareEvery: 600_000,
  tombstoneEvery: 600_000,
};

function fleet(nodes: number, config = simConfig) {
  const world = new World(7, [{ site: "oslo", region: "north", nodes }], config, new Trace());
  const starts: string[] = [];
  world.observers.push({ podStarted: (machine) => starts.push(machine.name) });
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  const [first] = world.machines;
  assert.ok(first !== undefined);
  let requests = 0;
  const restartsByUid = new Map<string, number>();
  const running = (): readonly [Machine, SimPod] => {
    const found = world.machines.flatMap((machine) =>
      [...machine.pods.values()].map((pod) => [machine, pod] as const),
    );
    const [only] = found;
    assert.ok(only !== undefined && found.length === 1, `${found.length} copies run`);
    return only;
  };
  return {
    world,
    first,
    starts,
    running,
    write: ({ budget, version = "1", works = false }: Options): void => {
      const labels = { app: "shop", ...(works ? {} : { broken: "true" }) };
      const env = [{ name: "VERSION", value: version }];
      const container = { name: "main", image: "sim", command: ["run"], env };
      const annotations: JsonObject = budget === undefined ? {} : { "starlight.dev/restart-budget": budget };
      const value = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "shop", namespace: "default", annotations },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: "shop" } },
          template: { metadata: { labels }, spec: { runtimeClassName: "process", containers: [container] } },
        },
      };
      const change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
      first.deliver({ type: "write", request: ++requests, changes: [change], actor: "me", dryRun: false });
      world.run(world.now + 5_000);
    },
    /** The copy's program ends and is started again; `ready` says how it is afterwards. */
    crash: (ready = false): void => {
      const [machine, pod] = running();
      const { uid } = pod.start;
      const restarts = (restartsByUid.get(uid) ?? 0) + 1;
      restartsByUid.set(uid, restarts);
      const said = (isReady: boolean): void => {
        const state = isReady ? "running" : "waiting";
        const about = { name: "main", image: "sim", state, ready: isReady, restarts, ports: [] } as const;
        const report = { uid, phase: "Running", ready: isReady, address: "10.0.0.1" } as const;
        machine.deliver({ type: "pod-report", report: { ...report, containers: [about] } });
      };
      said(false);
      if (ready) said(true);
      world.run(world.now + 2_000);
    },
    explained: (): SlotExplanation | undefined => {
      const view = first.node?.view;
      return view?.placement().explain(ref, view.clocks())[0];
    },
  };
}

test("a copy is started again 4 times where it is, and the 5th time elsewhere; why says so", () => {
  const { write, crash, running, explained } = fleet(3);
  write({});
  const [holder] = running();
  for (let at = 0; at < 4; at++) crash();
  assert.equal(running()[0], holder);
  crash();
  assert.notEqual(running()[0], holder);
  const excluded = explained()?.excluded.find(({ node }) => node === holder.name);
  assert.equal(excluded?.filter, "restarts");
  assert.equal(excluded.detail, "it failed too often there, and may again in 10 min");
});

test("the budget is the annotation's, and 0 is any number", () => {
  const { write, crash, running } = fleet(3);
  write({ budget: "2" });
  const [holder] = running();
  crash();
  assert.equal(running()[0], holder);
  crash();
  assert.notEqual(running()[0], holder);
  const other = fleet(3);
  other.write({ budget: "0" });
  for (let at = 0; at < 30; at++) other.crash();
  assert.equal(other.starts.length, 1);
});

test("a copy that failed on every node stays on the last one until another may take it again, for one try", () => {
  const { world, write, crash, running, starts } = fleet(3);
  write({});
  for (let at = 0; at < 10; at++) crash();
  assert.equal(new Set(starts).size, 3);
  const [last] = running();
  for (let at = 0; at < 20; at++) crash();
  assert.equal(starts.length, 3);
  assert.equal(running()[0], last);
  world.run(world.now + 11 * minute);
  crash();
  assert.equal(starts.length, 4);
  assert.notEqual(running()[0], last);
  crash();
  assert.equal(starts.length, 5);
});

test("a copy that failed on every node is started on one that has struck it off when its own node is lost", () => {
  const { world, write, crash, running, starts } = fleet(3);
  write({});
  for (let at = 0; at < 12; at++) crash();
  const [last] = running();
  assert.equal(starts.length, 3);
  last.powerOff();
  world.run(world.now + 20_000);
  const [next] = running();
  assert.notEqual(next, last);
  assert.equal(starts.length, 4);
  // It fails there as well, and does not hop on between those that have struck it off.
  for (let at = 0; at < 20; at++) crash();
  assert.equal(starts.length, 4);
});

test("a program that ends every 5 minutes is moved less than 25 times in a day, and less than 5 in its second half", () => {
  const { world, write, crash, starts } = fleet(3, quiet);
  write({});
  const half = 12 * 60 * minute;
  const until = world.now + 2 * half;
  let before = 0;
  while (world.now < until) {
    crash();
    world.run(world.now + 5 * minute);
    if (world.now < until - half) before = starts.length;
  }
  assert.ok(starts.length < 25 && starts.length - before < 5, `${before} and ${starts.length}`);
});

test("10 minutes of being ready forgive all restarts; 9 do not", () => {
  for (const [minutes, moves] of [
    [9, true],
    [11, false],
  ] as const) {
    const { world, write, crash, running } = fleet(3);
    write({ works: true });
    const [holder] = running();
    for (let at = 0; at < 4; at++) crash(true);
    world.run(world.now + minutes * minute);
    crash();
    assert.equal(running()[0] !== holder, moves, `${minutes} minutes`);
  }
});

test("a new revision may run where the old one was struck off", () => {
  const { write, crash, running, explained, world } = fleet(3);
  write({});
  for (let at = 0; at < 5; at++) crash();
  assert.equal(explained()?.excluded.length, 1);
  write({ version: "2", works: true });
  world.run(world.now + 20_000);
  assert.deepEqual(explained()?.excluded, []);
  assert.ok(running()[1].ready);
});

test("a lone node starts its copy again for ever", () => {
  const { write, crash, starts } = fleet(1);
  write({});
  for (let at = 0; at < 50; at++) crash();
  assert.equal(starts.length, 1);
});

test("a node remembers what it struck off over a restart of its agent", () => {
  const { write, crash, running, explained, world } = fleet(3);
  write({});
  const [holder] = running();
  for (let at = 0; at < 5; at++) crash();
  world.run(world.now + 2_000);
  holder.killAgent();
  holder.startAgent();
  world.run(world.now + 60_000);
  assert.deepEqual(
    explained()?.excluded.map(({ node }) => node),
    [holder.name],
  );
});
