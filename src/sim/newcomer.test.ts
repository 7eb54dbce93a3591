import assert from "node:assert/strict";
import { test } from "node:test";
import { simConfig } from "./run-seed.ts";
import { upsert } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

test("what a newcomer says of itself is known within 1 s, though its neighbour writes 250 times a second", () => {
  for (let seed = 0; seed < 10; seed++) {
    const layout = [{ site: "oslo", region: "north", nodes: 2 }];
    const world = new World(seed, layout, simConfig, new Trace());
    const [old, newcomer] = world.machines;
    assert(old !== undefined && newcomer !== undefined);
    old.startAgent();
    world.run(5_000);
    for (let at = 0; at < 600; at++)
      world.at(5_500 + 4 * at, () => {
        const name = `note-${at}`;
        const metadata = { name, namespace: "default" };
        const ref = { group: "", kind: "ConfigMap", namespace: "default", name };
        upsert(old, ref, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { text: "x" } });
      });
    world.at(6_000, () => newcomer.startAgent());
    world.run(7_500);
    const boot = old.node?.view.member(newcomer.identity.id)?.status?.bootId;
    assert.equal(boot, `${newcomer.name}-0`, `seed ${seed}`);
  }
});
