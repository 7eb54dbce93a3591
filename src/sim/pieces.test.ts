import assert from "node:assert/strict";
import { test } from "node:test";
import { simConfig } from "./run-seed.ts";
import { upsert } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

const noteRef = { group: "", kind: "ConfigMap", namespace: "default", name: "note" } as const;

test("10 sites of a region that are cut off from its other 30 find each other within 150 s, and share what is written", () => {
  const layout = Array.from({ length: 40 }, (_, at) => ({ site: `site-${at}`, region: "north", nodes: 1 }));
  const options = { detail: "site", sharing: true, settled: () => true } as const;
  const world = new World(1, layout, simConfig, new Trace(undefined, false), options);
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  world.run(40_000);

  const inside = world.machines.slice(0, 10);
  world.network.wallIn(inside.map(({ host }) => host));
  world.run(190_000);
  const [author] = inside;
  assert(author !== undefined);
  const metadata = { namespace: "default", name: "note" };
  upsert(author, noteRef, { apiVersion: "v1", kind: "ConfigMap", metadata, data: {} });
  world.run(200_000);
  const holders = world.machines.filter(({ node }) => node?.view.object(noteRef)?.exists === true);
  assert.deepEqual(
    holders.map(({ name }) => name),
    inside.map(({ name }) => name),
  );
});
