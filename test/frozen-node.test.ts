import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { versionAt } from "../src/core/kernel/hybrid-clock.ts";
import { hex, utf8 } from "../src/core/kernel/bytes.ts";
import { jsonBytes, type Json } from "../src/core/kernel/json.ts";
import { createNode } from "../src/core/node/create-node.ts";
import { intentKey } from "../src/core/records/keys.ts";
import type { ProtocolRange } from "../src/core/records/protocol.ts";
import { slotOf, type MeshRecord, type RecordKind } from "../src/core/records/record.ts";
import { openStored, storedBytes } from "../src/core/records/seal.ts";
import { parcelOf } from "../src/core/records/testbed.ts";
import type { Machine } from "../src/sim/machine.ts";
import { simConfig } from "../src/sim/run-seed.ts";
import { cut, statesOf } from "../src/sim/testbed.ts";
import { Trace } from "../src/sim/trace.ts";
import { World } from "../src/sim/world.ts";
import { unpackFrozen } from "./support/frozen.ts";

/** Two nodes of today's build, or later, that reach each other only through one of the frozen build. */

const newer: ProtocolRange = { min: 3, max: 4 };
const older: ProtocolRange = { min: 3, max: 3 };

type Row = {
  readonly world: World;
  readonly notes: string[];
  readonly left: Machine;
  readonly frozen: Machine;
  readonly right: Machine;
};

async function row(
  t: TestContext,
  seed: number,
  edit?: (path: string, source: string) => string,
): Promise<Row> {
  const unpacked = await unpackFrozen(3, edit);
  t.after(() => rmSync(unpacked.folder, { recursive: true, force: true }));
  const world = new World(seed, [{ site: "oslo", region: "north", nodes: 3 }], simConfig, new Trace());
  const [left, frozen, right] = world.machines as [Machine, Machine, Machine];
  const notes: string[] = [];
  world.observers.push({
    noted: (machine, note) => notes.push(`${machine.name} ${note.reason}: ${note.message}`),
  });
  left.build = right.build = { createNode, speaks: newer };
  frozen.build = { createNode: unpacked.createNode, speaks: older };
  cut(world, [left], [right]);
  for (const machine of world.machines) machine.startAgent();
  world.run(8_000);
  return { world, notes, left, frozen, right };
}

/** A record as a later version might write it, at a node that takes it. */
function write({ world }: Row, at: Machine, line: { key: string; kind: RecordKind; body: Json }): MeshRecord {
  const { key, kind, body } = line;
  const version = versionAt(world.trueTime()) + key.length;
  const author = { id: at.identity.id, signer: at.signer };
  const extension = utf8("what a later version added");
  const [record] = parcelOf(
    author,
    { scope: "mesh", kind },
    [{ key, version, body: jsonBytes(body), extension }],
    0,
    world.crypto,
  );
  assert.ok(record !== undefined);
  at.deliver({ type: "enrolled", frame: storedBytes(record, world.crypto) });
  return record;
}

/** The exact signed bytes of a record on a machine's disk. */
function onDisk({ world }: Row, machine: Machine, { key, author }: MeshRecord): string | undefined {
  for (const bytes of machine.disk.frames()) {
    const opened = openStored(bytes, world.crypto);
    if (opened.ok && slotOf(opened.value) === slotOf({ key, author })) return hex(opened.value.frame);
  }
  return undefined;
}

const status = {
  addresses: ["oslo-1:7070"],
  capacity: { cpuMilli: 4000, memoryBytes: 4 * 2 ** 30, pods: 60 },
  allocatable: { cpuMilli: 4000, memoryBytes: 4 * 2 ** 30, pods: 60 },
  tier: 2,
  os: "linux",
  architecture: "amd64",
  kernel: "sim",
  agentVersion: "of the future",
  bootId: "b",
  agentStartedAt: 0,
  runtimes: ["process"],
  batteryPercent: 80,
};

test("fields, keys, kinds and an extension of a later version pass a frozen node of protocol 3 byte by byte", async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const mesh = await row(t, seed);
    const { world, left, frozen, right } = mesh;
    const { id } = left.identity;
    const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "note" };
    const later = { group: "later.dev", kind: "Gadget", namespace: "default", name: "g" };
    const intent: Json = {
      class: "user",
      writes: [{ version: versionAt(world.trueTime()), seen: {}, actor: "alice", mood: "good" }],
      fields: { "data.a": ["=", 0, "1"] },
      reason: "because",
    };
    left.deliver({ type: "measured", status: status as never });
    const records = [
      write(mesh, left, { key: intentKey(ref, "apply:kubectl"), kind: "intent", body: intent }),
      write(mesh, left, {
        key: intentKey(later, "apply:kubectl"),
        kind: "intent",
        body: intent,
      }),
      write(mesh, left, { key: `node/${id}/mood`, kind: "fact", body: { mood: "good" } }),
      write(mesh, left, { key: `node/${id}/secret/1`, kind: "later-3", body: { sealed: "x" } }),
      write(mesh, left, { key: `policy/${id}`, kind: "later-15", body: ["any", "shape"] }),
      write(mesh, left, { key: `intent/of/another/shape`, kind: "later-7", body: "text" }),
    ];
    world.run(40_000);
    for (const record of records) {
      assert.equal(onDisk(mesh, frozen, record), hex(record.frame), `seed ${seed}: frozen ${record.key}`);
      assert.equal(onDisk(mesh, right, record), hex(record.frame), `seed ${seed}: right ${record.key}`);
    }
    assert.equal(frozen.node?.view.object(ref)?.exists, true);
    assert.equal(right.node?.view.member(id)?.status?.agentVersion, "of the future");
    assert.equal(statesOf(mesh.world.machines), 1, `seed ${seed}`);
    // From its disk the frozen node knows the same after a restart, and passes it on to one that lost all.
    left.powerOff();
    frozen.killAgent();
    frozen.startAgent();
    right.killAgent();
    for (const record of records) right.disk.write([{ slot: slotOf(record), bytes: undefined }], () => {});
    world.run(41_000);
    for (const record of records) assert.equal(onDisk(mesh, right, record), undefined);
    right.startAgent();
    world.run(60_000);
    for (const record of records)
      assert.equal(onDisk(mesh, right, record), hex(record.frame), `seed ${seed}: again ${record.key}`);
    assert.deepEqual(world.violations, []);
  }
});

test("frames of types and channels of a later version close no link and are no error, in either direction", async (t) => {
  const mesh = await row(t, 7);
  const { world, notes, left, frozen, right } = mesh;
  const links = (): unknown =>
    world.machines.flatMap(({ node }) =>
      world.machines.map(({ identity }) => node?.view.member(identity.id)?.evidence.link),
    );
  const before = links();
  for (const machine of [left, frozen, right])
    for (let channel = 0; channel < 4; channel++)
      for (const type of [100, 200, 255]) machine.inject(Uint8Array.of(channel, type, 1, 2, 3));
  world.run(20_000);
  assert.deepEqual(links(), before);
  assert.deepEqual(
    notes.filter((line) => line.includes("ProtocolError")),
    [],
  );
  assert.equal(left.node?.view.member(frozen.identity.id)?.evidence.protocol, 3);
});

test("a node that speaks 3 and one that speaks 5 to 6 both say so, keep no link, and try again slowly", async (t) => {
  const mesh = await row(t, 9);
  const { world, notes, left, frozen } = mesh;
  left.killAgent();
  left.build = { createNode, speaks: { min: 5, max: 6 } };
  left.startAgent();
  notes.length = 0;
  world.run(world.now + 120_000);
  const told = notes.filter((line) => line.includes("ProtocolMismatch"));
  assert.ok(
    told.some((line) => line.startsWith("oslo-1") && line.includes("oslo-2 speaks protocol 3, we speak 5-6")),
  );
  assert.ok(
    told.some((line) => line.startsWith("oslo-2") && line.includes("oslo-1 speaks protocol 5-6, we speak 3")),
  );
  assert.ok(told.length <= 4, `${told.length} notes in two minutes`);
  const evidence = frozen.node?.view.member(left.identity.id)?.evidence;
  assert.equal(evidence?.link, undefined);
  assert.ok(evidence?.observations.some(({ what }) => what.includes("it speaks protocol 5-6, we speak 3")));
  // Upgraded, it is back at once.
  left.killAgent();
  left.build = { createNode, speaks: { min: 3, max: 6 } };
  left.startAgent();
  world.run(world.now + 10_000);
  assert.equal(frozen.node?.view.member(left.identity.id)?.evidence.verdict, "alive");
  assert.equal(statesOf(mesh.world.machines), 1);
});

test("what an older version kept without knowing it becomes effective after its upgrade, if its key's rule allows it", async (t) => {
  const withoutHeals = (path: string, source: string): string =>
    path === "records/keys.js" ? source.replace('    "heal",\n', "") : source;
  const mesh = await row(t, 11, withoutHeals);
  const { world, left, frozen, right, notes } = mesh;
  const report = { at: 1, returned: [], received: 1, sent: 2, conflicts: [], stopped: [], untouched: 3 };
  const heal = write(mesh, left, {
    key: `node/${left.identity.id}/heal`,
    kind: "fact",
    body: { reports: [report] },
  });
  // As if a later version had let this through: the rule of the key says that it is a fact.
  const dressed = parcelOf(
    { id: right.identity.id, signer: right.signer },
    { scope: "mesh", kind: "later-3" },
    [{ key: `node/${right.identity.id}/heal`, version: 5, body: jsonBytes({}), extension: utf8("") }],
    0,
    world.crypto,
  )[0];
  assert.ok(dressed !== undefined);
  frozen.deliver({ type: "enrolled", frame: storedBytes(dressed, world.crypto) });
  world.run(20_000);
  assert.equal(onDisk(mesh, frozen, heal), hex(heal.frame));
  assert.equal(onDisk(mesh, right, heal), hex(heal.frame));
  assert.equal(onDisk(mesh, frozen, dressed), hex(dressed.frame));
  assert.deepEqual(frozen.node?.view.heals(left.identity.id), []);
  frozen.killAgent();
  frozen.build = { createNode, speaks: newer };
  frozen.startAgent();
  world.run(30_000);
  assert.deepEqual(frozen.node?.view.heals(left.identity.id), [report]);
  assert.equal(onDisk(mesh, frozen, dressed), undefined);
  assert.ok(notes.some((line) => line.startsWith("oslo-2 RecordRefused") && line.includes(dressed.key)));
  assert.equal(statesOf(mesh.world.machines), 1);
});
