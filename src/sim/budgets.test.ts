import assert from "node:assert/strict";
import { test } from "node:test";
import type { Note } from "../core/node/contract.ts";
import { versionAt } from "../core/kernel/hybrid-clock.ts";
import { asRecordsFrame } from "../core/node/links.ts";
import { podKey } from "../core/records/keys.ts";
import { sealRecord } from "../core/records/seal.ts";
import { nodeIdOf } from "../core/records/record.ts";
import { watchBudgets } from "./budgets.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import { statesOf, upsert } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World, type Layout } from "./world.ts";

function started(layout: Layout, seed = 3) {
  const world = new World(seed, layout, simConfig, new Trace());
  const notes: { at: number; by: string; note: Note }[] = [];
  world.observers.push({ noted: ({ name }, note) => notes.push({ at: world.now, by: name, note }) });
  for (const machine of world.machines) machine.startAgent();
  world.run(10_000);
  return { world, notes };
}

function write(machine: Machine, name: string, length: number): void {
  const ref = { group: "", kind: "ConfigMap", namespace: "default", name };
  const metadata = { name, namespace: "default" };
  const value = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { text: "x".repeat(length) } };
  upsert(machine, ref, value);
}

test("a thief of a key who forges 40 records is kept out for 5 s, then for 10, and the honest go on", () => {
  const { world, notes } = started([{ site: "oslo", region: "north", nodes: 3 }]);
  const [thief, victim, third] = world.machines as [Machine, Machine, Machine];
  const forge = (): void => {
    const version = versionAt(world.trueTime());
    const records = Array.from({ length: 40 }, (_, at) =>
      sealRecord(
        { scope: "mesh", key: podKey(victim.identity.id, `f${at}`), version, kind: "fact", body: {} },
        thief.identity.id,
        thief.signer,
        world.crypto,
      ),
    );
    thief.inject(asRecordsFrame(records, world.crypto));
  };
  const shutOut = () =>
    notes.filter(({ note }) => note.reason === "PeerShutOut").map(({ note }) => note.message);
  forge();
  world.run(world.now + 1_000);
  assert.deepEqual(shutOut(), [
    "oslo-1 is kept out for 5 s: more than 32 records or frames in a minute that no honest node sends",
    "oslo-1 is kept out for 5 s: more than 32 records or frames in a minute that no honest node sends",
  ]);
  assert.equal(victim.node?.view.member(thief.identity.id)?.evidence.link, undefined);
  write(third, "note", 10);
  world.run(world.now + 1_000);
  assert.equal(victim.node?.view.objects("", "ConfigMap").length, 1);
  world.run(world.now + 20_000);
  assert.equal(victim.node?.view.member(thief.identity.id)?.evidence.verdict, "alive");
  assert.equal(statesOf(world.machines), 1);
  forge();
  world.run(world.now + 1_000);
  assert.ok(shutOut().at(-1)?.startsWith("oslo-1 is kept out for 10 s: "));
  assert.equal(notes.filter(({ note }) => note.reason === "RecordRefused").length, 4 * 33);
});

test("200 records by members that the roster does not know, and as many of tomorrow, are no offence", () => {
  const { world, notes } = started([{ site: "oslo", region: "north", nodes: 2 }]);
  const [sender, taker] = world.machines as [Machine, Machine];
  const stranger = world.crypto.signer("stranger");
  const strangerId = nodeIdOf(stranger.publicKey, world.crypto);
  const now = world.trueTime();
  const unknown = Array.from({ length: 200 }, (_, at) =>
    sealRecord(
      { scope: "mesh", key: podKey(strangerId, `p${at}`), version: versionAt(now), kind: "fact", body: {} },
      strangerId,
      stranger,
      world.crypto,
    ),
  );
  const early = Array.from({ length: 200 }, (_, at) =>
    sealRecord(
      {
        scope: "mesh",
        key: podKey(sender.identity.id, `p${at}`),
        version: versionAt(now + 86_400_000),
        kind: "fact",
        body: {},
      },
      sender.identity.id,
      sender.signer,
      world.crypto,
    ),
  );
  for (const records of [unknown, early]) sender.inject(asRecordsFrame(records, world.crypto));
  world.run(world.now + 5_000);
  assert.equal(taker.node?.view.records().setAside, 400);
  assert.deepEqual(
    notes.filter(({ note }) => note.reason === "PeerShutOut"),
    [],
  );
});

test("600 kB for a site with 1,000 B/s never cross faster than that, what waits is told, and all arrives", () => {
  const uplink = { uplink: "wan", uplinkBytesPerSecond: 1_000, uplinkBytesPerDay: 0 } as const;
  const { world } = started([
    { site: "oslo", region: "north", nodes: 1, uplink },
    { site: "bern", region: "south", nodes: 1 },
  ]);
  watchBudgets(world);
  const [oslo, bern] = world.machines as [Machine, Machine];
  for (let at = 0; at < 100; at++) write(oslo, `note-${at}`, 1_000);
  world.run(world.now + 2_000);
  const [link] = oslo.node?.view.uplink().links ?? [];
  assert.equal(link?.bytesPerSecond, 1_000);
  assert.ok((link?.waiting?.logs ?? 0) > 0 && (link?.waiting?.forMs ?? 0) > 0);
  assert.equal(bern.node?.view.uplink().links[0]?.bytesPerSecond, 1_250_000);
  world.run(world.now + 600_000);
  assert.deepEqual(world.violations, []);
  assert.equal(bern.node?.view.objects("", "ConfigMap").length, 100);
  assert.equal(statesOf(world.machines), 1);
});

test("a machine that restarts twice has spent the same of its day, but for 0.5 % at most each time", () => {
  const allowance = 100_000;
  const uplink = { uplink: "wan", uplinkBytesPerSecond: 0, uplinkBytesPerDay: allowance } as const;
  const { world } = started([
    { site: "oslo", region: "north", nodes: 1, uplink },
    { site: "bern", region: "south", nodes: 1 },
  ]);
  const [oslo] = world.machines as [Machine];
  const spent = (): number => oslo.node?.view.uplink().bytesToday ?? 0;
  for (const restart of [1, 2]) {
    for (let at = 0; at < 20; at++) write(oslo, `note-${restart}-${at}`, 1_000);
    world.run(world.now + 30_000);
    const before = spent();
    assert.ok(before > restart * 5_000, `${before}`);
    oslo.powerOff();
    oslo.powerOn();
    assert.ok(before - spent() <= 0.005 * allowance && spent() <= before, `${spent()} after ${before}`);
  }
});

test("a day's 60 kB are kept: from 80 % the uplink counts as satellite, then only signs of life go until midnight", () => {
  const allowance = 60_000;
  const uplink = { uplink: "wan", uplinkBytesPerSecond: 0, uplinkBytesPerDay: allowance } as const;
  const { world, notes } = started([
    { site: "oslo", region: "north", nodes: 1, uplink },
    { site: "bern", region: "south", nodes: 1 },
  ]);
  const [oslo, bern] = world.machines as [Machine, Machine];
  const midnight = 86_400_000 - (world.trueTime() % 86_400_000) + world.now;
  for (let at = 0; at < 200; at++) world.at(world.now + 500 * at, () => write(oslo, `note-${at}`, 1_000));
  world.run(world.now + 400_000);
  const spent = (): number => oslo.node?.view.uplink().bytesToday ?? 0;
  assert.equal(oslo.node?.view.uplink().class, "satellite");
  assert.ok(notes.some(({ by, note }) => by === "oslo-1" && note.reason === "UplinkClass"));
  assert.ok(spent() > 0.8 * allowance && spent() < 1.05 * allowance, `${spent()}`);
  assert.ok((bern.node?.view.objects("", "ConfigMap").length ?? 0) < 200);
  assert.equal(bern.node?.view.member(oslo.identity.id)?.evidence.verdict, "alive");
  world.run(world.now + 600_000);
  assert.ok(spent() < 1.1 * allowance, `${spent()}`);
  world.run(midnight + 3_600_000);
  assert.equal(oslo.node?.view.uplink().bytesToday !== 0, true);
});
