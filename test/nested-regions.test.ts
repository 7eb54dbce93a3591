import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { done, run } from "./support/command.ts";
import { kubectl } from "./support/kubectl.ts";
import { deployment } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** Five agents, each a site of its own, in regions that nest; detail stays in the sites. */

const layout = [
  { site: "bonn", region: "eu.de", nodes: 1 },
  { site: "kiel", region: "eu.de", nodes: 1 },
  { site: "lyon", region: "eu.fr", nodes: 1 },
  { site: "rome", region: "eu", nodes: 1 },
  { site: "reno", region: "us", nodes: 1 },
];
/** What stands directly in each region around a site, and in the mesh. */
type Known = { readonly sites: string[]; readonly regions: string[]; readonly around: readonly string[] };
const told: { readonly [site: string]: Known } = {
  bonn: { sites: ["bonn", "kiel", "rome"], regions: ["eu.fr", "us"], around: ["eu", "eu.de"] },
  kiel: { sites: ["bonn", "kiel", "rome"], regions: ["eu.fr", "us"], around: ["eu", "eu.de"] },
  lyon: { sites: ["lyon", "rome"], regions: ["eu.de", "us"], around: ["eu", "eu.fr"] },
  rome: { sites: ["rome"], regions: ["eu.de", "eu.fr", "us"], around: ["eu"] },
  reno: { sites: ["reno"], regions: ["eu"], around: ["us"] },
};
const waitMs = 90_000;

let started: Fleet | undefined;
before(async () => {
  started = await createFleet(layout, { progress: () => {}, detail: "site" });
});
after(async () => {
  await started?.stop();
});

function fleet(): Fleet {
  assert.ok(started !== undefined, "the agents run during tests only");
  return started;
}

async function ask(site: string, args: readonly string[], manifest?: object): Promise<string> {
  const { kubeconfig, directory, node } = fleet();
  const server = `https://${node(`${site}-1`).advertised}`;
  const input = manifest === undefined ? "" : JSON.stringify(manifest);
  return done(await kubectl({ kubeconfig, server, home: directory }, args, input));
}

type Named = readonly { readonly name: string }[];
type Told = { readonly sites: string[]; readonly regions: string[] };

async function toldAt(site: string): Promise<Told> {
  const { kubeconfig, node } = fleet();
  const at = ["--kubeconfig", kubeconfig, "--server", node(`${site}-1`).advertised];
  const status = JSON.parse(done(await run([...at, "status", "-o", "json"]))) as {
    sites: Named;
    regions: Named;
  };
  const names = (places: Named): string[] => places.map(({ name }) => name).sort();
  return { sites: names(status.sites), regions: names(status.regions) };
}

test("each of 5 sites in 4 nested regions is told of exactly the sites and regions beside those around it", async () => {
  for (const [site, expected] of Object.entries(told)) {
    await eventually(
      `${site} is told of what it is to know`,
      async () => {
        assert.deepEqual(await toldAt(site), { sites: expected.sites, regions: expected.regions });
        return true;
      },
      waitMs,
    );
    const listed = await ask(site, ["get", "sites", "-o", "name"]);
    assert.deepEqual(
      listed.trim().split("\n").sort(),
      expected.sites.map((name) => `site.starlight.dev/${name}`),
      site,
    );
    const regions = new Set([...expected.regions, ...expected.around]);
    assert.deepEqual(
      (await ask(site, ["get", "regions", "-o", "name"])).trim().split("\n"),
      [...regions].sort().map((name) => `region.starlight.dev/${name}`),
      site,
    );
  }
});

test("a ConfigMap that is written in us is held in every site", async () => {
  await ask("reno", ["apply", "-f", "-"], {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "menu" },
    data: { soup: "leek" },
  });
  for (const { site } of layout)
    await eventually(
      `${site} has it`,
      async () => (await ask(site, ["get", "configmap", "menu", "-o", "jsonpath={.data.soup}"])) === "leek",
      waitMs,
    );
});

test("the selector region=eu starts a copy in the 4 sites within it, and none in us", async () => {
  const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": "region=eu" };
  await ask("reno", ["apply", "-f", "-"], deployment("shelf", "exec sleep 1000", 1, annotations));
  for (const site of ["bonn", "kiel", "lyon", "rome"])
    await eventually(
      `a copy runs in ${site}`,
      async () => /\bRunning\b/.test(await ask(site, ["get", "pods", "--no-headers"])),
      waitMs,
    );
  assert.equal(await ask("reno", ["get", "pods", "--no-headers"]), "");
  const message = "jsonpath={.status.conditions[0].message}";
  assert.match(await ask("reno", ["get", "deployment", "shelf", "-o", message]), /^0 of 0 copies are ready/);
});

test("a workload for a region that nobody is told of is for no site, as kubectl, why and plan say", async () => {
  const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": "region=asia" };
  const manifest = deployment("lost", "exec sleep 1000", 2, annotations);
  const { kubeconfig, directory, node } = fleet();
  const file = join(directory, "lost.json");
  writeFileSync(file, JSON.stringify(manifest));
  const at = ["--kubeconfig", kubeconfig, "--server", node("reno-1").advertised];
  const sentence = "no site in view matches region=asia";
  assert.match(
    done(await run([...at, "plan", "-f", file])),
    new RegExp(`^deployment/lost: ${sentence}$`, "m"),
  );
  await ask("reno", ["apply", "-f", "-"], manifest);
  assert.match(await ask("reno", ["get", "deployment", "lost"]), /^lost +0\/2 +0 +0/m);
  assert.match(done(await run([...at, "why", "deployment/lost"])), new RegExp(`^${sentence}$`, "m"));
  await ask("reno", ["delete", "deployment", "lost"]);
});

test("an invite for a region with a part that is no name is refused before anything is written", async () => {
  const { data } = fleet().node("bonn-1");
  const refused = await run(["--data", data, "invite", "--site", "ulm", "--region", "eu..de"]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /the region "eu\.\.de" is not a region: use 1 to 6 names/);
});

test("a region whose only machine is gone is unreachable in kubectl, health and status of a gateway beside it", async () => {
  const { kubeconfig, node, killMachine } = fleet();
  const { advertised: server } = node("rome-1");
  const at = ["--kubeconfig", kubeconfig, "--server", server];
  const healthy = await run([...at, "health", "-o", "json"]);
  const { places } = JSON.parse(healthy.out) as { places: readonly { place: string; state: string }[] };
  assert.deepEqual(
    places.map(({ place, state }) => `${place} ${state}`),
    ["region/eu.de ok", "region/eu.fr ok", "region/us ok"],
  );
  killMachine(node("lyon-1"));
  await eventually(
    "the region eu.fr is unreachable",
    async () => /^eu\.fr +1 +1 +1 +\d+s/m.test(await ask("rome", ["get", "regions"])),
    waitMs,
  );
  const ill = await run([...at, "health"]);
  assert.equal(ill.code, 41, ill.err + ill.out);
  assert.match(
    ill.out,
    /region\/eu\.fr +unreachable +\d+ s +OutOfView: nobody of it answers; told before: 1 of 1/,
  );
  assert.match(ill.out, /1 of 3 other places, as rome-1 sees it/);
  const status = done(await run([...at, "status"]));
  const [, sites, ofSites] = /and (\d) of (\d) sites; .*; 1 of them cannot be reached/.exec(status) ?? [];
  assert.equal(Number(sites), Number(ofSites) - 1, status);
  assert.match(status, /eu\.fr +1 +1\/1 +\S+ s? +\d+ s/);
});
