import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../core/kernel/bytes.ts";
import type { Signer } from "../core/kernel/crypto.ts";
import { epochMs } from "../core/kernel/hybrid-clock.ts";
import type { Json } from "../core/kernel/json.ts";
import { goneKey, memberKey, statusKey } from "../core/records/keys.ts";
import { slotOf, type NodeId } from "../core/records/record.ts";
import { sealRecord, storedBytes } from "../core/records/seal.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { cut, mend, statesOf } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Two sites that live apart for a month, and change meanwhile. */

const minute = 60_000;
const day = 24 * 60 * minute;
/** Slow signs of life and comparisons, so that a month can be run; the wait between dials is the real one. */
const config = {
  ...simConfig,
  pingEvery: 10 * minute,
  silentAfter: 30 * minute,
  redialMax: minute,
  compareEvery: 60 * minute,
  tombstoneEvery: 60 * minute,
  absentLong: 30 * day,
};
const dialTimeout = 3_000;

/**
 * A mesh of two sites of three; the first of each may enrol, and the last of each belongs to nothing yet.
 * What is known of members is on every disk from the start, so that of the last ones is taken away.
 */
function newMesh(seed: number) {
  const world = new World(
    seed,
    [
      { site: "oslo", region: "north", nodes: 3 },
      { site: "lima", region: "south", nodes: 3 },
    ],
    config,
    new Trace(),
  );
  const oslo = world.machines.slice(0, 3) as Site;
  const lima = world.machines.slice(3) as Site;
  for (const { identity } of [oslo[2], lima[2]]) {
    const known = [
      { key: memberKey(identity.id), author: identity.mesh.id },
      { key: statusKey(identity.id), author: identity.id },
    ];
    for (const { disk } of world.machines)
      disk.write(
        known.map((record) => ({ slot: slotOf(record), bytes: undefined })),
        () => {},
      );
  }
  world.run(1_000);
  const root = { id: oslo[0].identity.mesh.id, signer: world.crypto.signer("root") };
  for (const site of [oslo, lima]) {
    for (const machine of site.slice(0, 2)) machine.startAgent();
    oslo[0].deliver({ type: "enrolled", frame: membership(world, site[0], root, ["enrol", "write"]) });
  }
  world.run(world.now + 5 * minute);
  return { world, oslo, lima };
}

type Site = [Machine, Machine, Machine];
type Author = { readonly id: NodeId; readonly signer: Signer };
const authorOf = ({ identity, signer }: Machine): Author => ({ id: identity.id, signer });

function rosterFrame(world: World, key: string, body: Json, { id, signer }: Author): Uint8Array {
  const version = (world.trueTime() - epochMs) * 4_096;
  const draft = { scope: "mesh", key, version, kind: "roster", body } as const;
  return storedBytes(sealRecord(draft, id, signer, world.crypto), world.crypto);
}

function membership(world: World, { identity, signer }: Machine, by: Author, grants = ["write"]): Uint8Array {
  const body = {
    name: identity.name,
    site: identity.site,
    region: identity.region,
    signKey: hex(signer.publicKey),
    tlsKey: hex(world.crypto.sha256(signer.publicKey)),
    grants,
    labels: {},
    joinedAt: world.trueTime(),
  };
  return rosterFrame(world, memberKey(identity.id), body, by);
}

function join(world: World, enroller: Machine, newcomer: Machine): void {
  const frame = membership(world, newcomer, authorOf(enroller));
  enroller.deliver({ type: "enrolled", frame });
  const slot = slotOf({ key: memberKey(newcomer.identity.id), author: enroller.identity.id });
  newcomer.disk.write([{ slot, bytes: frame }], () => newcomer.startAgent());
}

function revoke(world: World, enroller: Machine, leaver: Machine): void {
  const body = { how: "revoked", reason: "sold" };
  const frame = rosterFrame(world, goneKey(leaver.identity.id), body, authorOf(enroller));
  enroller.deliver({ type: "enrolled", frame });
  leaver.powerOff();
}

const inView = (machine: Machine): string[] =>
  (machine.node?.view.members() ?? [])
    .filter(({ evidence }) => evidence.verdict === "alive")
    .map(({ member }) => member.name)
    .sort();

test("two islands that gained and lost a node each in 30 days apart are one within one probe period", () => {
  const { world, oslo, lima } = newMesh(1);
  assert.equal(inView(oslo[0]).length, 4);
  cut(world, oslo, lima);
  const cutAt = world.now;
  for (const [at, [first, leaver, newcomer]] of [oslo, lima].entries()) {
    world.at(cutAt + (3 + at) * day, () => join(world, first, newcomer));
    world.at(cutAt + (20 + at) * day, () => revoke(world, first, leaver));
  }
  world.run(cutAt + 30 * day);
  assert.deepEqual(inView(oslo[0]), ["oslo-1", "oslo-3"]);
  assert.deepEqual(inView(lima[2]), ["lima-1", "lima-3"]);
  // Neither island has a majority of the mesh, and both want to change who votes: they wait for news of each other.
  for (const { node } of [oslo[0], lima[0]]) assert.doesNotMatch(node?.wake().why ?? "lease", /lease/);

  mend(world, oslo, lima);
  world.run(world.now + config.redialMax + 2 * dialTimeout);
  const everybody = ["lima-1", "lima-3", "oslo-1", "oslo-3"];
  const members = world.machines.filter(({ name }) => everybody.includes(name));
  for (const machine of members) assert.deepEqual(inView(machine), everybody, machine.name);
  world.run(world.now + 5 * minute);
  assert.equal(statesOf(members), 1);
  assert.deepEqual(world.violations, []);
});
