import assert from "node:assert/strict";
import { test } from "node:test";
import { presentNode } from "../src/api/present-node.ts";
import { at } from "../src/api/testbed.ts";
import type { Json } from "../src/core/kernel/json.ts";
import type { Machine } from "../src/sim/machine.ts";
import { evenLayout, simConfig } from "../src/sim/run-seed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World } from "../src/sim/world.ts";

/** When the conditions of a Node last changed, as one node of a simulated site tells it of itself and of another. */

const world = new World(3, evenLayout(3, 1, 1), simConfig, new Trace());
for (const machine of world.machines) machine.startAgent();
const [first, second] = world.machines as [Machine, Machine];

type Told = { readonly status: string; readonly changedMs: number; readonly heardMs: number };

/** How long ago each condition changed, and was last heard of, by the clock of who tells. */
function conditionsOf({ identity }: Machine): { readonly [type: string]: Told } {
  const { node } = first;
  const member = node?.view.member(identity.id);
  assert.ok(node !== undefined && member !== undefined);
  const { wall } = node.view.clocks();
  const conditions = at(presentNode(member, node.view), "status.conditions") as readonly Json[];
  const ago = (condition: Json, field: string): number => wall - Date.parse(String(at(condition, field)));
  return Object.fromEntries(
    conditions.map((condition) => [
      String(at(condition, "type")),
      {
        status: String(at(condition, "status")),
        changedMs: ago(condition, "lastTransitionTime"),
        heardMs: ago(condition, "lastHeartbeatTime"),
      },
    ]),
  );
}

const isAbout = (ms: number | undefined, expected: number): void =>
  assert.ok(ms !== undefined && Math.abs(ms - expected) <= 15_000, `${ms} ms instead of ${expected}`);

test("a node is Ready, and has room, since its agent started or was met, however late it is asked", () => {
  for (const passed of [60_000, 300_000]) {
    world.run(passed);
    for (const machine of [first, second]) {
      const told = conditionsOf(machine);
      for (const type of ["Ready", "MemoryPressure"]) isAbout(told[type]?.changedMs, passed);
      assert.deepEqual([told["Ready"]?.status, told["MemoryPressure"]?.status], ["True", "False"]);
      isAbout(told["Ready"]?.heardMs, 0);
    }
  }
});

test("a node that lost its power is not Ready since then, and was last heard of then", () => {
  second.powerOff();
  world.run(600_000);
  const told = conditionsOf(second);
  assert.equal(told["Ready"]?.status, "Unknown");
  isAbout(told["Ready"]?.changedMs, 300_000);
  isAbout(told["Ready"]?.heardMs, 300_000);
  assert.equal(told["MemoryPressure"]?.status, "Unknown");
  isAbout(told["MemoryPressure"]?.changedMs, 300_000);
});
