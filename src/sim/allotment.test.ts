import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { evenLayout, simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Copies of the whole mesh where nobody sees all nodes. A machine has four cores. */

type Parts = { readonly cpu?: string; readonly nodeSelector?: JsonObject };

function deployment(
  name: string,
  replicas: number,
  { cpu = "3", nodeSelector = {} }: Parts = {},
): JsonObject {
  const labels = { app: name };
  const container = { name: "main", image: "sim", command: ["run"], resources: { requests: { cpu } } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { runtimeClassName: "process", nodeSelector, containers: [container] },
      },
    },
  };
}

function fleet(nodes: number, sites: number, regions: number) {
  const world = new World(11, evenLayout(nodes, sites, regions), simConfig, new Trace(), { detail: "site" });
  let starts = 0;
  world.observers.push({ podStarted: () => starts++ });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  world.run(90_000);
  const apply = (value: JsonObject): void => {
    const { name } = value["metadata"] as { name: string };
    const ref = { group: "apps", kind: "Deployment", namespace: "default", name };
    const change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
    world.machines[0]?.deliver({ type: "write", request: 1, changes: [change], actor: "me", dryRun: false });
  };
  /** Where copies of it run: `site/slot`, sorted. */
  const places = (name: string): string[] =>
    world.machines
      .flatMap(({ identity, pods }) =>
        [...pods.values()].map(({ start }) => ({ site: identity.site, start })),
      )
      .filter(({ start }) => start.labels["app"] === name)
      .map(({ site, start }) => `${site} ${start.name.replace(/-[a-z0-9]+$/, "")}`)
      .sort();
  const sitesOf = (name: string): string[] => places(name).map((place) => place.split(" ")[0] ?? "");
  return { world, apply, sitesOf, starts: () => starts };
}

test("both copies of a workload that one site of 6 may run, in another region than its author, run there", () => {
  const { world, apply, sitesOf } = fleet(12, 6, 2);
  apply(deployment("only", 2, { nodeSelector: { "topology.kubernetes.io/zone": "site-5" } }));
  world.run(240_000);
  assert.deepEqual(sitesOf("only"), ["site-5", "site-5"]);
});

test("12 copies of which a node holds one fill 12 nodes of 6 sites, each once, wherever the hash would have them", () => {
  const { world, apply, sitesOf, starts } = fleet(12, 6, 2);
  apply(deployment("wide", 12));
  world.run(300_000);
  const twoOfEach = [0, 1, 2, 3, 4, 5].flatMap((site) => [`site-${site}`, `site-${site}`]);
  assert.deepEqual(sitesOf("wide"), twoOfEach);
  assert.ok(starts() <= 14, `${starts()} pods were started`);
});

test("copies stay where they run when a site that the hash prefers gets room again", () => {
  const { world, apply, sitesOf, starts } = fleet(8, 4, 1);
  apply(deployment("first", 4));
  world.run(150_000);
  apply(deployment("second", 4));
  world.run(300_000);
  const [before, started] = [sitesOf("second"), starts()];
  assert.equal(before.length, 4);
  apply(deployment("first", 0));
  world.run(450_000);
  assert.deepEqual(sitesOf("second"), before);
  assert.equal(starts(), started);
});

test("a copy that no place has room for waits, and starts within 60 s of room somewhere", () => {
  const { world, apply, sitesOf } = fleet(8, 4, 1);
  apply(deployment("first", 8));
  world.run(240_000);
  apply(deployment("second", 1));
  world.run(300_000);
  assert.deepEqual(sitesOf("second"), []);
  apply(deployment("first", 7));
  world.run(360_000);
  assert.equal(sitesOf("second").length, 1);
});
