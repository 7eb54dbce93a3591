import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApiDeps } from "../src/api/contract.ts";
import { healthOf } from "../src/api/health.ts";
import { presentRegions, presentSites } from "../src/api/places.ts";
import { findResource } from "../src/api/resources.ts";
import { statusOf } from "../src/api/starlight-status.ts";
import { tableOf } from "../src/api/tables.ts";
import { at } from "../src/api/testbed.ts";
import { topologyOf } from "../src/api/topology.ts";
import type { JsonObject } from "../src/core/kernel/json.ts";
import type { NodeView } from "../src/core/node/contract.ts";
import type { Detail } from "../src/core/records/scope.ts";
import type { Machine } from "../src/sim/machine.ts";
import { simConfig } from "../src/sim/run-seed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World, type Layout } from "../src/sim/world.ts";
import { apiOf } from "./support/sim-api.ts";

/** Other places whose nodes lose their power, as a gateway of `home` sees them through the API. */

const beside: Layout = [
  { site: "home", region: "eu.de", nodes: 1 },
  { site: "kiel", region: "eu.de", nodes: 2 },
  { site: "ulm", region: "eu.de", nodes: 1 },
];
const apart: Layout = [
  { site: "home", region: "eu.de", nodes: 1 },
  { site: "reno", region: "us.west", nodes: 1 },
];

function started(layout: Layout = beside, detail: Detail = "site") {
  const world = new World(5, layout, simConfig, new Trace(), { detail });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  world.run(120_000);
  const inSite = (site: string): readonly Machine[] =>
    world.machines.filter(({ identity }) => identity.site === site);
  const [home] = inSite("home");
  assert.ok(home?.node !== undefined);
  const { view } = home.node;
  const off = (site: string): void => inSite(site).forEach((machine) => machine.powerOff());
  const on = (site: string): void => inSite(site).forEach((machine) => machine.powerOn());
  return { world, view, deps: apiOf(home), inSite, off, on, pass: (ms: number) => world.run(world.now + ms) };
}

/** `kiel <none> 2/2`: what the table says of each site, or region. */
function statuses(view: NodeView, plural: "sites" | "regions"): string[] {
  const resource = findResource("starlight.dev", "v1", plural);
  assert.ok(resource !== undefined);
  const objects = plural === "sites" ? presentSites(view) : presentRegions(view);
  const { columnDefinitions, rows } = tableOf(resource, objects, "1", "None", "v1") as unknown as {
    columnDefinitions: readonly { readonly name: string }[];
    rows: readonly { readonly cells: readonly unknown[] }[];
  };
  const column = (name: string): number => columnDefinitions.findIndex((each) => each.name === name);
  const [lost, ready, nodes] = ["Unreachable", "Ready", "Nodes"].map(column);
  return rows.map(
    ({ cells }) => `${cells[0]} ${cells[lost ?? -1]} ${cells[ready ?? -1]}/${cells[nodes ?? -1]}`,
  );
}

function unwell(deps: ApiDeps): { readonly well: unknown; readonly places: readonly unknown[] } {
  const { well, places } = healthOf(deps, new URLSearchParams());
  const lost = (places as readonly JsonObject[]).filter(({ state }) => state !== "ok");
  return { well, places: lost.map(({ place }) => place) };
}

test("a site that is off for 2 minutes is unreachable since then, with the last word on it, and reachable when it is back", () => {
  const { world, view, deps, off, on, pass } = started();
  const wellThen = ["home <none> 1/1", "kiel <none> 2/2", "ulm <none> 1/1"];
  assert.deepEqual(statuses(view, "sites"), wellThen);
  assert.deepEqual(unwell(deps), { well: true, places: [] });

  off("kiel");
  const lostAt = world.now;
  pass(120_000);
  const [own, kielNow, ulm] = statuses(view, "sites");
  assert.deepEqual([own, ulm], [wellThen[0], wellThen[2]]);
  assert.match(String(kielNow), /^kiel 1[01]\ds 2\/2$/);
  const kiel = presentSites(view).find(({ metadata }) => (metadata as JsonObject)["name"] === "kiel");
  const [condition] = at(kiel, "status.conditions") as readonly JsonObject[];
  assert.deepEqual([condition?.["type"], condition?.["status"]], ["Unreachable", "True"]);
  const since = Date.parse(String(condition?.["lastTransitionTime"]));
  const { now, wall } = deps.env();
  assert.ok(Math.abs(since - (wall - now + lostAt)) <= 20_000, String(condition?.["lastTransitionTime"]));
  assert.match(String(condition?.["message"]), /^nobody of it answers; told before: 2 of 2 nodes ready$/);

  on("kiel");
  pass(60_000);
  assert.deepEqual(statuses(view, "sites"), wellThen);
  assert.deepEqual(unwell(deps), { well: true, places: [] });
});

test("health is not well while a site cannot be reached, names it, and leaves it out when one node is asked about", () => {
  const { deps, off, pass } = started();
  off("kiel");
  pass(120_000);
  assert.deepEqual(unwell(deps), { well: false, places: ["site/kiel"] });
  const one = healthOf(deps, new URLSearchParams({ node: deps.view.identity.name }));
  assert.deepEqual([one["well"], one["places"]], [true, []]);
});

test("status counts a site that cannot be reached as out of view, and says for how long", () => {
  const { deps, off, pass } = started();
  assert.deepEqual(statusOf(deps)["island"], { nodes: 1, of: 1, sites: 3, ofSites: 3 });
  off("kiel");
  pass(120_000);
  const { island, sites } = statusOf(deps);
  assert.deepEqual(island, { nodes: 1, of: 1, sites: 2, ofSites: 3 });
  const lost = (sites as readonly JsonObject[]).filter(({ unreachableMs }) => unreachableMs !== null);
  assert.deepEqual(
    lost.map(({ name, inView }) => [name, inView]),
    [["kiel", 2]],
  );
  const [{ unreachableMs } = {}] = lost;
  assert.ok(Number(unreachableMs) > 100_000 && Number(unreachableMs) <= 121_000, String(unreachableMs));
});

test("a region that is off is unreachable, in its row, in health and in status", () => {
  const { view, deps, off, pass } = started(apart);
  assert.deepEqual(statuses(view, "regions"), ["eu <none> 1/1", "eu.de <none> 1/1", "us <none> 1/1"]);
  off("reno");
  pass(120_000);
  const [, , us] = statuses(view, "regions");
  assert.match(String(us), /^us 1[01]\ds 1\/1$/);
  assert.deepEqual(unwell(deps), { well: false, places: ["region/us"] });
  const { island, regions } = statusOf(deps);
  assert.deepEqual(island, { nodes: 1, of: 1, sites: 1, ofSites: 2 });
  assert.ok(Number(at(regions, "0.unreachableMs")) > 100_000);
});

test("where all keep the detail of all, a site and the regions around it are unreachable once its nodes are out of view", () => {
  const { view, deps, off, pass } = started(apart, "mesh");
  off("reno");
  pass(120_000);
  assert.match(statuses(view, "sites").join(), /^home <none> 1\/1,reno 1[01]\ds 0\/1$/);
  const [, , us, west] = statuses(view, "regions");
  assert.match(String(us), /^us 1[01]\ds 0\/1$/);
  assert.match(String(west), /^us\.west 1[01]\ds 0/);
  assert.ok(Number(at(statusOf(deps)["sites"], "1.unreachableMs")) > 100_000);
  // Its node says so already.
  assert.deepEqual(unwell(deps), { well: false, places: [] });
});

test("a region of one site that is off was last seen when its site was, whose detail is kept here", () => {
  const { view, off, pass } = started(apart, "mesh");
  off("reno");
  pass(120_000);
  const seen = (places: readonly JsonObject[], name: string): readonly unknown[] => {
    const place = places.find((each) => at(each, "metadata.name") === name);
    return [at(place, "status.freshestFactAgeMs"), at(place, "status.oldestFactAgeMs")];
  };
  const site = seen(presentSites(view), "reno");
  assert.ok(Number(site[0]) > 100_000, String(site[0]));
  for (const region of ["us", "us.west"]) assert.deepEqual(seen(presentRegions(view), region), site, region);
});

test("a site of which one of two gateways is off is held for unreachable by neither gateway of another", () => {
  const { world, inSite } = started([
    { site: "home", region: "eu", nodes: 2 },
    { site: "kiel", region: "eu", nodes: 2 },
  ]);
  for (const gone of inSite("kiel")) {
    gone.powerOff();
    const until = world.now + 120_000;
    while (world.now < until) {
      world.run(world.now + 1_000);
      for (const { node, name } of inSite("home")) {
        assert.ok(node !== undefined);
        assert.match(statuses(node.view, "sites")[1] ?? "", /^kiel <none>/, `${name}, ${world.now} ms`);
      }
    }
    gone.powerOn();
    world.run(world.now + 60_000);
  }
});

test("who is no gateway of its site, and has met none of another, leaves that as told", () => {
  const many: Layout = [
    { site: "home", region: "eu", nodes: 4 },
    { site: "kiel", region: "eu", nodes: 1 },
  ];
  const world = new World(7, many, simConfig, new Trace(), { detail: "site" });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  world.run(120_000);
  world.machines.at(-1)?.powerOff();
  world.run(240_000);
  const seen = world.machines.slice(0, 4).map(({ node }) => {
    assert.ok(node !== undefined);
    return /^kiel \d+s/.test(statuses(node.view, "sites")[1] ?? "");
  });
  assert.equal(seen.filter(Boolean).length, 2, "its two gateways know");
});

test("while 4 nodes in 3 sites find each other, nobody holds another place for unreachable", () => {
  const world = new World(5, beside, simConfig, new Trace(), { detail: "site" });
  for (const [at, machine] of world.machines.entries()) world.at(20 * at, () => machine.startAgent());
  while (world.now < 60_000) {
    world.run(world.now + 20);
    for (const { node, name } of world.machines)
      for (const place of [...(node?.view.sites() ?? []), ...(node?.view.regions() ?? [])])
        assert.equal(place.unreachableFor, undefined, `${place.name} for ${name}, ${world.now} ms`);
  }
});

/** `site/kiel linked 2/2`: what topology says of each place whose detail is not kept here. */
const placesIn = (deps: ApiDeps): readonly string[] =>
  (topologyOf(deps)["places"] as readonly JsonObject[]).map(
    ({ kind, name, reach, ready, nodes }) => `${kind}/${name} ${reach} ${ready}/${nodes}`,
  );

test("topology shows the sites and regions that are only told of, the nodes met there, and who is off with the age of the last word", () => {
  const { deps, off, pass, view } = started([...beside, { site: "reno", region: "us.west", nodes: 1 }]);
  assert.deepEqual(placesIn(deps), ["site/kiel linked 2/2", "site/ulm linked 1/1", "region/us linked 1/1"]);
  const met = view.contacts().map(({ id }) => id);
  assert.ok(met.length >= 3);
  const { nodes, contacts, detail } = topologyOf(deps);
  assert.equal(detail, "site");
  assert.deepEqual((nodes as readonly JsonObject[]).length, 1);
  for (const { linked, verdict, site, saidAgeMs } of contacts as readonly JsonObject[]) {
    assert.deepEqual([linked, verdict], [true, "alive"], String(site));
    assert.ok(Number(saidAgeMs) > 0);
  }
  const links = at(nodes, "0.links") as readonly string[];
  assert.deepEqual(
    links,
    (contacts as readonly JsonObject[]).map(({ name }) => name),
  );

  off("kiel");
  pass(120_000);
  assert.equal(placesIn(deps)[0], "site/kiel unreachable 2/2");
  const kiel = at(topologyOf(deps), "places.0");
  assert.ok(Number(at(kiel, "unreachableMs")) > 90_000 && Number(at(kiel, "toldAgeMs")) > 120_000);
  for (const contact of topologyOf(deps)["contacts"] as readonly JsonObject[])
    assert.equal(contact["linked"], contact["site"] !== "kiel");
});

test("who is no gateway of its site says in topology that it knows of other places through others", () => {
  const many: Layout = [
    { site: "home", region: "eu", nodes: 4 },
    { site: "kiel", region: "eu", nodes: 1 },
  ];
  const { inSite } = started(many);
  const reaches = inSite("home").map((machine) => {
    return placesIn(apiOf(machine)).join();
  });
  const counted = Map.groupBy(reaches, (reach) => reach);
  assert.deepEqual([...counted].map(([reach, { length }]) => `${length} x ${reach}`).sort(), [
    "2 x site/kiel linked 1/1",
    "2 x site/kiel told 1/1",
  ]);
});
