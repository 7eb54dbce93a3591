import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApiDeps } from "../src/api/contract.ts";
import { presentObject } from "../src/api/present.ts";
import { presentSites } from "../src/api/places.ts";
import { at } from "../src/api/testbed.ts";
import { topologyOf } from "../src/api/topology.ts";
import { createVersions } from "../src/api/versions.ts";
import { why } from "../src/api/why.ts";
import type { Json, JsonObject } from "../src/core/kernel/json.ts";
import type { Changed } from "../src/core/node/contract.ts";
import type { Detail } from "../src/core/records/scope.ts";
import type { Machine } from "../src/sim/machine.ts";
import { simConfig } from "../src/sim/run-seed.ts";
import { upsert, workload, workloadRef } from "../src/sim/testbed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World, type Layout } from "../src/sim/world.ts";
import { apiOf } from "./support/sim-api.ts";

/** A Deployment for the whole mesh whose copies run in several places, as each node sees it through the API. */

const layout: Layout = [
  { site: "home", region: "eu.de", nodes: 1 },
  { site: "kiel", region: "eu.de", nodes: 2 },
  { site: "ulm", region: "eu.de", nodes: 1 },
  { site: "reno", region: "us.west", nodes: 1 },
];
const ref = workloadRef("Deployment", "web");
const replicas = 6;

function started(detail: Detail, seed = 5) {
  const world = new World(seed, layout, simConfig, new Trace(), { detail });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  world.run(90_000);
  const inSite = (site: string): readonly Machine[] =>
    world.machines.filter(({ identity }) => identity.site === site);
  return { world, inSite, pass: (ms: number) => world.run(world.now + ms) };
}

function apply(machine: Machine | undefined, version: string): void {
  assert.ok(machine !== undefined);
  upsert(machine, ref, workload("Deployment", "web", replicas, { version }));
}

function viewOf({ node }: Machine) {
  assert.ok(node !== undefined);
  return node.view;
}

function statusAt(machine: Machine): JsonObject {
  const object = viewOf(machine).object(ref);
  assert.ok(object !== undefined);
  return at(presentObject(object, viewOf(machine)), "status") as JsonObject;
}

const counted = (status: JsonObject): readonly Json[] =>
  ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"].map(
    (field) => status[field] ?? 0,
  );

/** What `kubectl rollout status` waits for. */
function isRolledOut(status: JsonObject): boolean {
  const [all = 0, updated = 0, , available = 0] = counted(status).map(Number);
  return updated >= replicas && all <= updated && available >= updated;
}

const messageOf = (status: JsonObject): string => String(at(status, "conditions.0.message"));
const versionsRunning = (world: World): readonly string[] =>
  world.machines.flatMap(({ pods }) =>
    [...pods.values()].flatMap(({ start, stopping }) =>
      stopping ? [] : (start.env["main"]?.["VERSION"] ?? ""),
    ),
  );

for (const detail of ["site", "region", "mesh"] as const)
  test(`each of 5 nodes in 4 sites counts 6 copies of 6 with detail ${detail}, and sees an update end not before it has`, () => {
    const { world, pass } = started(detail);
    apply(world.machines[0], "1");
    pass(150_000);
    for (const machine of world.machines)
      assert.deepEqual(counted(statusAt(machine)), [6, 6, 6, 6, 0], machine.name);

    apply(world.machines[0], "2");
    const sawEnd = new Map<string, number>();
    const until = world.now + 200_000;
    while (world.now < until && sawEnd.size < world.machines.length) {
      pass(250);
      for (const machine of world.machines) {
        const knows = JSON.stringify(viewOf(machine).object(ref)?.value).includes('"2"');
        if (!knows || sawEnd.has(machine.name) || !isRolledOut(statusAt(machine))) continue;
        assert.ok(
          versionsRunning(world).every((version) => version === "2"),
          `${machine.name}, ${world.now} ms: ${versionsRunning(world).join()}`,
        );
        sawEnd.set(machine.name, world.now);
      }
    }
    assert.equal(sawEnd.size, world.machines.length, [...sawEnd.keys()].join());
  });

test("an update whose copies never become ready leaves old ones ready, and nobody sees its end", () => {
  const { world, pass } = started("site");
  apply(world.machines[0], "1");
  pass(150_000);
  const labels = { app: "web", broken: "true" };
  const containers = [{ name: "main", image: "sim", command: ["run"] }];
  const template = { metadata: { labels }, spec: { runtimeClassName: "process", containers } };
  const broken = workload("Deployment", "web", replicas);
  upsert(world.machines[0] as Machine, ref, {
    ...broken,
    spec: { ...(broken["spec"] as JsonObject), template },
  });
  pass(150_000);
  const pods = world.machines.flatMap((machine) => [...machine.pods.values()]);
  const updated = pods.filter(({ start }) => start.labels["broken"] === "true").length;
  assert.ok(updated > 0 && pods.length > updated, `${updated} of ${pods.length}`);
  for (const machine of world.machines) {
    const status = statusAt(machine);
    const [copies, seen, ready] = counted(status);
    assert.deepEqual([copies, seen, ready], [pods.length, updated, pods.length - updated], machine.name);
    assert.equal(isRolledOut(status), false, machine.name);
  }
});

test("what sites want of a mesh-wide Deployment adds up to its replicas, whatever the detail", () => {
  for (const detail of ["mesh", "region"] as const) {
    const { world, inSite, pass } = started(detail);
    apply(world.machines[0], "1");
    pass(150_000);
    const [home] = inSite("home");
    assert.ok(home !== undefined);
    const wanted = (): number =>
      presentSites(viewOf(home))
        .flatMap((site) => at(site, "status.workloads") as readonly JsonObject[])
        .reduce((sum, workload) => sum + Number(workload["wanted"]), 0);
    const here = viewOf(home)
      .pods()
      .filter(({ body }) => body.phase === "Running").length;
    assert.equal(wanted(), here, detail);
    if (detail === "mesh") assert.equal(here, replicas);
  }
});

test("copies in a site that does not answer count no more, and the status says how many were ready there", () => {
  const { world, inSite, pass } = started("site");
  apply(world.machines[0], "1");
  pass(150_000);
  const [home] = inSite("home");
  assert.ok(home !== undefined);
  const inKiel = inSite("kiel").reduce((sum, { pods }) => sum + pods.size, 0);
  assert.ok(inKiel > 0);
  for (const machine of inSite("kiel")) machine.powerOff();
  pass(120_000);
  const left = replicas - inKiel;
  assert.deepEqual(counted(statusAt(home)), [left, left, left, left, inKiel]);
  const status = statusAt(home);
  assert.equal(at(status, "conditions.0.status"), "False");
  assert.match(
    messageOf(status),
    new RegExp(`^${left} of 6 copies are ready; ${inKiel} more were at site kiel, which does not answer$`),
  );
  for (const machine of inSite("kiel")) machine.powerOn();
  pass(90_000);
  assert.deepEqual(counted(statusAt(home)), [6, 6, 6, 6, 0]);
});

test("who watches is told of a Deployment again when a gateway of a place with copies is lost, and 21 s later", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { world, inSite, pass } = started("site");
  apply(world.machines[0], "1");
  pass(150_000);
  const [home] = inSite("home");
  const [gateway] = inSite("kiel");
  assert.ok(home !== undefined && gateway !== undefined);
  let tell: (what: readonly Changed[]) => void = () => {};
  const onChanged: ApiDeps["onChanged"] = (listener) => {
    tell = listener;
    return () => {};
  };
  const versions = createVersions({ ...apiOf(home), onChanged });
  const version = (): number => versions.of("Deployment", "default/web");
  const first = version();
  tell([{ type: "node", node: gateway.identity.id }]);
  const lost = version();
  assert.ok(lost > first);
  context.mock.timers.tick(20_500);
  assert.equal(version(), lost);
  context.mock.timers.tick(500);
  assert.ok(version() > lost);
  const other = versions.of("Deployment", "default/other");
  tell([{ type: "site", name: "kiel", workloads: ["apps/Deployment/default/other"] }]);
  assert.ok(versions.of("Deployment", "default/other") > other);
});

test("why names the places elsewhere where copies are, how many are ready, and how old that word is", () => {
  const { world, inSite, pass } = started("site");
  apply(world.machines[0], "1");
  pass(150_000);
  const [home] = inSite("home");
  assert.ok(home !== undefined);
  const answer = why(apiOf(home), new URLSearchParams({ kind: "Deployment", name: "web" }));
  const places = answer["elsewhere"] as readonly JsonObject[];
  const own = viewOf(home).pods().length;
  assert.equal(
    places.reduce((sum, { ready }) => sum + Number(ready), own),
    replicas,
  );
  for (const { place, copies, toldAgoMs } of places) {
    const [kind, name] = String(place).split(" ");
    const inside = world.machines.filter(({ identity: { site, region } }) =>
      kind === "site" ? site === name : region.startsWith(String(name)),
    );
    assert.equal(
      inside.reduce((sum, { pods }) => sum + pods.size, 0),
      copies,
      String(name),
    );
    assert.ok(Number(toldAgoMs) > 0);
  }
});

test("the topology of a node that keeps one site names the other places and their nodes", () => {
  const { inSite } = started("site");
  const [home] = inSite("home");
  assert.ok(home !== undefined);
  const places = topologyOf(apiOf(home))["places"] as readonly JsonObject[];
  assert.deepEqual(
    places.map(({ kind, name, region, nodes, ready }) => [kind, name, region, nodes, ready]),
    [
      ["site", "kiel", "eu.de", 2, 2],
      ["site", "ulm", "eu.de", 1, 1],
      ["region", "us", "us", 1, 1],
    ],
  );
});
