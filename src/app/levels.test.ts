import assert from "node:assert/strict";
import { after, test } from "node:test";
import { initMesh } from "../shells/identity-file/init-mesh.ts";
import type { RunningAgent } from "./agent.ts";
import { createInvite } from "./enrol/invite-book.ts";
import { joinMesh } from "./enrol/join-mesh.ts";
import { createTestBed } from "./testbed.ts";

const bed = createTestBed();
after(() => bed.close());

type Place = { readonly site: string; readonly region: string };

async function meshOfSites(places: readonly Place[]): Promise<RunningAgent[]> {
  const directory = bed.folder("first");
  const [first, ...others] = places;
  assert(first !== undefined);
  const name = (place: Place, at: number): string => `${place.site}-${at}`;
  const addresses = ["127.0.0.1:7443"];
  const nodeName = name(first, 0);
  await initMesh({
    directory,
    meshName: "m",
    nodeName,
    ...first,
    addresses,
    detail: "site",
    now: Date.now(),
  });
  const agents = [await bed.agent(directory)];
  for (const [at, place] of others.entries()) {
    const enroller = `127.0.0.1:${agents[0]?.port}`;
    const joiner = bed.folder(name(place, at + 1));
    const invite = createInvite({
      directory,
      addresses: [enroller],
      ttlMs: 60_000,
      now: Date.now(),
      ...place,
    });
    const node = await joinMesh({ invite, directory: joiner, nodeName: name(place, at + 1), addresses: [] });
    assert.equal(node.mesh.detail, "site");
    agents.push(await bed.agent(joiner));
  }
  return agents;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let round = 0; !holds(); round++) {
    assert.ok(round < 1_200, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const note = { group: "", kind: "ConfigMap", namespace: "default", name: "note" } as const;

test("agents of 3 sites in 2 regions know their own site's nodes, prove themselves to each other, and all take a write", async () => {
  const oslo = { site: "oslo", region: "north" };
  const agents = await meshOfSites([
    oslo,
    { site: "bern", region: "north" },
    { site: "lima", region: "south" },
    oslo,
  ]);
  const namesAt = (at: number): readonly string[] =>
    agents[at]?.view
      .members()
      .map(({ member }) => member.name)
      .sort() ?? [];
  await until("both of oslo see each other", () => agents[0]?.view.island().length === 2);
  assert.deepEqual(namesAt(0), ["oslo-0", "oslo-3"]);
  assert.deepEqual(namesAt(1), ["bern-1"]);
  assert.deepEqual(namesAt(2), ["lima-2"]);

  await until("bern is told of oslo", () => agents[1]?.view.sites().length === 2);
  assert.deepEqual(agents[1]?.view.regionsOfSite("oslo"), ["north"]);
  await until("lima is told of the north", () => agents[2]?.view.regions()[0]?.name === "north");
  const value = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "note", namespace: "default" },
    data: { a: "1" },
  };
  const change = { type: "update", ref: note, value, manager: "m", class: "user", mode: "create" } as const;
  const reply = await agents[2]?.driver.write([change], "me", { dryRun: false });
  assert.ok(reply?.ok);
  for (const agent of agents) await until("everybody has it", () => agent.view.object(note)?.exists === true);

  const [first, , lima] = agents;
  assert(first !== undefined && lima !== undefined);
  assert.equal(first.view.member(lima.identity.id), undefined, "the detail of lima stays there");
  assert.equal(
    first.view.memberBody(lima.identity.id)?.name,
    "lima-2",
    "its credentials came with its record",
  );
  assert.ok((await first.revoke(lima.identity.id, "stolen")).ok);
  await until("lima's membership has ended everywhere", () =>
    agents.slice(0, 2).every(({ view }) => view.memberBody(lima.identity.id) === undefined),
  );
  assert.equal(first.view.admits(lima.identity.id, "0".repeat(64)), false);
});
