import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Machine } from "./machine.ts";
import { runSeed, simConfig } from "./run-seed.ts";
import { cut, mend, send, statesOf, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** The records of deleted objects go, and nothing comes back or gets lost by it. */

const config = { ...simConfig, tombstoneEvery: 1_000, keepDeleted: 0 };
const refOf = (name: string) => ({ group: "", kind: "ConfigMap", namespace: "default", name });
const sizesOf = (world: World): number[] =>
  world.machines.map(({ node }) => node?.view.records().total ?? -1);

function put(machine: Machine, name: string, key: string, value: string, manager = "m"): void {
  const ref = refOf(name);
  const before = (machine.node?.view.object(ref)?.value["data"] ?? {}) as object;
  const data = { ...before, [key]: value };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data };
  upsert(machine, ref, object, manager);
}

const drop = (machine: Machine, name: string): void =>
  send(machine, { type: "delete", ref: refOf(name), manager: "m", class: "user" });

function meshOf(seed: number): { world: World; machines: readonly Machine[] } {
  const world = new World(seed, [{ site: "oslo", region: "north", nodes: 3 }], config, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(10_000);
  return { world, machines: world.machines };
}

test("after 20 objects with three writers each were made and deleted twice the nodes hold as many records as before", () => {
  const { world, machines } = meshOf(1);
  // What each of them says once and for all about its log of deletions counts as before.
  for (const machine of machines) put(machine, `warm-up-${machine.name}`, "a", "1");
  world.run(11_000);
  for (const machine of machines) drop(machine, `warm-up-${machine.name}`);
  world.run(60_000);
  const before = sizesOf(world);
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 20; number++)
      for (const [at, machine] of machines.entries())
        put(machine, `o${number}`, `k${at}`, `${round}`, `m${at}`);
    world.run(world.now + 3_000);
    for (let number = 0; number < 20; number++) drop(machines[number % 3] as Machine, `o${number}`);
    world.run(world.now + 2_000);
  }
  assert.ok((sizesOf(world)[0] ?? 0) > (before[0] ?? 0) + 40);
  const shown = (): number =>
    machines.reduce((sum, { node }) => sum + (node?.view.objects("", "ConfigMap").length ?? 0), 0);
  assert.equal(shown(), 0);
  for (const end = world.now + 60_000; world.now < end;) {
    world.run(world.now + 1);
    assert.equal(shown(), 0, `an object is there again at ${world.now} ms`);
  }
  assert.deepEqual(sizesOf(world), before);
});

test("an edit that raced with the deletion in another island is not lost, nor what it was made on", () => {
  for (let seed = 1; seed <= 8; seed++) {
    const { world, machines } = meshOf(seed);
    const [first, second, away] = machines as [Machine, Machine, Machine];
    put(first, "o", "a", "first");
    put(second, "p", "a", "second");
    world.run(13_000);
    cut(world, [away]);
    drop(second, "o");
    world.run(40_000);
    put(away, "o", "b", "raced");
    world.run(80_000);
    mend(world, [away]);
    world.run(140_000);
    for (const { node, name } of machines) {
      const object = node?.view.object(refOf("o"));
      assert.deepEqual(object?.value["data"], { a: "first", b: "raced" }, `seed ${seed}: ${name}`);
      assert.equal(object?.conflicts.length, 1, `seed ${seed}: ${name}`);
    }
  }
});

test("a node that dropped tombstones while its clock was 10 years ahead does not say so for ever", () => {
  // Its floor lay above all that it wrote later, the next floor included (bern-1 of this seed).
  const { violations } = runSeed({ seed: 21, nodes: 8, stormMs: 60_000, calmMs: 60_000 });
  assert.deepEqual(violations, []);
});

type Step = {
  readonly who: number;
  readonly what: "put" | "drop" | "cut" | "heal" | "restart" | "wait";
  readonly object: number;
};

test("whatever is written, deleted, cut and restarted in between: all nodes agree, nothing dead rises, and dead records go", () => {
  const step = fc.record<Step>({
    who: fc.nat(2),
    what: fc.constantFrom("put", "put", "drop", "drop", "cut", "heal", "restart", "wait"),
    object: fc.nat(1),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 4, maxLength: 20 }), fc.nat(1_000), (steps, seed) => {
      const { world, machines } = meshOf(seed);
      for (const [number, { who, what, object }] of steps.entries()) {
        const machine = machines[who] as Machine;
        const name = `o${object}`;
        if (what === "put") put(machine, name, `k${who}`, `${number}`);
        else if (what === "drop") drop(machine, name);
        else if (what === "cut") cut(world, [machine]);
        else if (what === "heal") world.network.mendAll();
        else if (what === "restart") {
          machine.killAgent();
          machine.startAgent();
        }
        world.run(world.now + (what === "wait" ? 4_000 : 300));
      }
      world.network.mendAll();
      for (const machine of machines) machine.startAgent();
      world.run(world.now + 8_000);
      // Nobody writes any more: what exists now is what stays.
      const shown = (): (string | undefined)[] =>
        machines.map(({ node }) =>
          JSON.stringify(
            ["o0", "o1"]
              .map((name) => node?.view.object(refOf(name)))
              .map((found) => (found?.exists === true ? found.value : "gone")),
          ),
        );
      const settled = shown();
      assert.equal(new Set(settled).size, 1, "they agree");
      world.run(world.now + 45_000);
      assert.deepEqual(shown(), settled);
      for (const { node } of machines) assert.equal(node?.view.records().dead, 0);
      assert.equal(statesOf(machines), 1);
    }),
    { numRuns: 40 },
  );
});

test("while copies come and end a bundle of the time before brings none of them back, whenever it comes", () => {
  const { world, machines } = meshOf(1);
  const [here, there] = [machines[0] as Machine, machines[1] as Machine];
  const refOfRound = (round: number) => workloadRef("Deployment", `w${round}`);
  const bundles: ReturnType<Machine["exportBundle"]>[] = [];
  let looks = 0;
  for (let round = 0; round < 8; round++) {
    upsert(here, refOfRound(round), workload("Deployment", `w${round}`, 3));
    world.run(world.now + 900);
    bundles.push(here.exportBundle());
    send(here, { type: "delete", ref: refOfRound(round), manager: "m", class: "user" });
    for (let step = 0; step < 30; step++) {
      world.run(world.now + 100);
      // Two rounds ago is long enough for all to have forgotten the copies.
      const old = bundles[round - 2];
      if (old === undefined) continue;
      there.importBundle(old);
      world.run(world.now + 1);
      for (const { name, node } of machines)
        for (const { body } of node?.view.pods() ?? [])
          assert.notEqual(body.workload.name, `w${round - 2}`, `${name} believes in a copy of it`);
      looks++;
    }
  }
  assert.equal(looks, 6 * 30);
});
