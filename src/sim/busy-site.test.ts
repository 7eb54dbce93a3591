import assert from "node:assert/strict";
import { test } from "node:test";
import { syncChannel } from "../core/node/channels.ts";
import type { NodeEvent } from "../core/node/contract.ts";
import type { Machine } from "./machine.ts";
import { EventQueue } from "./event-queue.ts";
import { Processor, type TurnCost } from "./processor.ts";
import { simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** A site whose machines have little processor to do much: every agent is late, and reads late what others said. */

/** As the agent's own defaults. */
const config = {
  ...simConfig,
  pingEvery: 1_600,
  silentAfter: 4_000,
  redialMax: 60_000,
  compareEvery: 15_000,
  bootSettle: 1_200,
};
const workloads = 50;

type Started = { readonly app: string; readonly at: number };

/** Agents that share two cores with what they start; costs in ms as measured with real ones, times `slowness`. */
function busySite(seed: number, nodes: number, slowness: number) {
  const world = new World(seed, [{ site: "oslo", region: "north", nodes }], config, new Trace());
  const cost: TurnCost = (event, effects) => {
    let ms = 0.3;
    if (event.type === "frame" && event.bytes[0] === syncChannel) ms += 0.7 + event.bytes.length / 500;
    for (const { type } of effects) {
      if (type === "persist") ms += 1.5;
      if (type !== "start-pod") continue;
      ms += 8;
      processor.run(() => 40 * slowness);
    }
    return slowness * ms;
  };
  const processor = new Processor(world.queue, () => world.now, 2, cost);
  const started: Started[] = [];
  const lost: { readonly of: string; readonly at: number }[] = [];
  const stalls: number[] = [];
  world.observers.push({
    podStarted: (_, { start }) => void started.push({ app: start.labels["app"] ?? "", at: world.now }),
    noted: (_, { reason, message }) => {
      if (reason === "NodeUnreachable") lost.push({ of: message.split(":")[0] ?? "", at: world.now });
      if (reason === "Stalled") stalls.push(world.now);
    },
  });
  const random = world.random("starts");
  for (const machine of world.machines) {
    machine.runOn(processor);
    world.at(5_000 * random(), () => machine.startAgent());
  }
  world.run(20_000);
  lost.length = 0;
  return { world, started, lost, stalls };
}

function deploy(machine: Machine): void {
  const containers = [{ name: "main", image: "sim", command: ["run"] }];
  const changes = Array.from({ length: workloads }, (_, at) => {
    const name = `app-${at}`;
    const labels = { app: name };
    const value = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace: "default", annotations: { "starlight.dev/placement": "perSite" } },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { runtimeClassName: "process", containers } },
      },
    };
    const ref = { group: "apps", kind: "Deployment", namespace: "default", name };
    return { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
  });
  machine.deliver({ type: "write", request: 1, changes, actor: "me", dryRun: false });
}

test("10 agents on 2 cores that get 50 workloads at once start each once, though they stand still for over 500 ms", () => {
  for (let seed = 0; seed < 2; seed++) {
    const { world, started, lost, stalls } = busySite(seed, 10, 1.6);
    deploy(world.machines[0] as Machine);
    world.run(world.now + 10_000);
    assert.equal(new Set(started.map(({ app }) => app)).size, workloads);
    assert.equal(started.length, workloads, `seed ${seed}: started twice`);
    assert.ok(stalls.length > 0, "the agents were too fast to show anything");
    assert.deepEqual(lost, [], `seed ${seed}: held lost though only busy`);
  }
});

test("6 s after 50 starts a silent power-off of one of 10 is known to all within 3,400 ms, and replaced within 4,000 ms", () => {
  for (let seed = 0; seed < 3; seed++) {
    const { world, started, lost } = busySite(seed, 10, 0.5);
    deploy(world.machines[0] as Machine);
    world.run(world.now + 6_000);
    const held = world.machines.slice(1).map(({ pods }) => pods.size);
    const off = world.machines[1 + held.indexOf(Math.max(...held))] as Machine;
    const apps = new Set([...off.pods.values()].map(({ start }) => start.labels["app"]));
    const from = world.now;
    off.powerOff();
    world.run(from + 8_000);
    const known = lost.filter(({ of }) => of === off.name).map(({ at }) => at - from);
    const replaced = started.filter(({ at }) => at > from);
    assert.equal(known.length, 9);
    assert.equal(replaced.length, apps.size, `seed ${seed}`);
    assert.ok(Math.max(...known) <= 3_400, known.join());
    assert.ok(Math.max(...replaced.map(({ at }) => at)) - from <= 4_000, replaced.map(({ at }) => at).join());
  }
});

test("50 agents on 2 cores that lived in halves for 30 s are at rest 40 s after they met: what is late makes nobody do more", () => {
  const { world } = busySite(1, 50, 0.25);
  world.run(90_000);
  const half = world.machines.length / 2;
  const hosts = world.machines.map(({ host }) => host);
  for (const one of hosts.slice(0, half))
    for (const other of hosts.slice(half)) {
      world.network.cut(one, other);
      world.network.cut(other, one);
    }
  world.run(world.now + 30_000);
  world.network.mendAll();
  world.run(world.now + 40_000);
  const sent = (): number => hosts.reduce((sum, host) => sum + world.network.sentBy(host), 0);
  const before = sent();
  world.run(world.now + 10_000);
  const each = (sent() - before) / hosts.length / 10;
  assert.ok(each < 1_000, `${Math.round(each)} bytes a second and agent`);
});

test("of 3 jobs for 2 cores the third waits for the first that is done", () => {
  const queue = new EventQueue();
  let now = 0;
  const processor = new Processor(
    queue,
    () => now,
    2,
    (event: NodeEvent) => (event.type === "wake" ? 0 : 1),
  );
  const done: number[] = [];
  for (const length of [50, 30, 10])
    processor.run(
      () => length,
      () => void done.push(now),
    );
  for (let entry = queue.next(1_000); entry !== undefined; entry = queue.next(1_000)) {
    now = entry.at;
    entry.run();
  }
  assert.deepEqual(done, [30, 40, 50]);
});
