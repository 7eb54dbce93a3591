import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hex } from "../core/kernel/bytes.ts";
import { memberKey } from "../core/records/keys.ts";
import { nodeIdOf } from "../core/records/record.ts";
import { sealRecord, storedBytes } from "../core/records/seal.ts";
import { StorageError, type Put, type Storage } from "../ports/storage.ts";
import { nodeCrypto, signerFromPem } from "../shells/crypto-node/node-crypto.ts";
import { newRecordKey } from "../shells/identity-file/keys.ts";
import { configDefaults, nodeConfigOf } from "./config-schema.ts";
import { createDriver, type Driver } from "./driver.ts";
import { bareParts } from "./testbed.ts";

/** A disk whose answers the test gives, in any order. */
type SlowDisk = Storage & {
  readonly asked: { readonly puts: readonly Put[]; done: () => void; full: () => void }[];
};

function slowDisk(): SlowDisk {
  const asked: SlowDisk["asked"][number][] = [];
  return {
    asked,
    load: () => [],
    write: (puts) =>
      new Promise((done, reject) => {
        const full = (): void => reject(new StorageError({ type: "full", path: "/disk" }));
        asked.push({ puts, done, full });
      }),
    bytesWritten: () => 0,
    close: () => Promise.resolve(),
  };
}

function setUp(): { readonly driver: Driver; readonly disk: SlowDisk; readonly boot: () => void } {
  const root = signerFromPem(newRecordKey().privatePem);
  const signer = signerFromPem(newRecordKey().privatePem);
  const mesh = {
    id: nodeIdOf(root.publicKey, nodeCrypto),
    name: "test",
    rootKey: root.publicKey,
    detail: "mesh",
  } as const;
  const identity = { id: nodeIdOf(signer.publicKey, nodeCrypto), name: "n", site: "s", region: "r", mesh };
  const body = {
    name: "n",
    site: "s",
    region: "r",
    signKey: hex(signer.publicKey),
    tlsKey: "00".repeat(32),
    grants: ["write"],
    labels: {},
    joinedAt: 0,
  };
  const draft = { scope: "mesh", key: memberKey(identity.id), version: 1, kind: "roster", body } as const;
  const bytes = storedBytes(sealRecord(draft, mesh.id, root, nodeCrypto), nodeCrypto);
  const disk = slowDisk();
  const runtime = bareParts.runtime({
    directory: "",
    address: "127.0.0.1",
    cgroups: "off",
    events: { report: () => {}, gone: () => {} },
    log: () => {},
  });
  const config = nodeConfigOf(configDefaults);
  const driver = createDriver({ identity, signer, config, storage: disk, runtime, log: () => {} });
  return { driver, disk, boot: () => driver.handle({ type: "boot", frames: [bytes], adopted: [] }) };
}

const change = (name: string) =>
  ({
    type: "update",
    ref: { group: "", kind: "ConfigMap", namespace: "default", name },
    value: { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: {} },
    manager: "test",
    class: "user",
    mode: "upsert",
  }) as const;

const turns = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe("the driver", () => {
  test("an event before `boot` waits for it", async () => {
    const { driver, disk, boot } = setUp();
    driver.handle({ type: "leave", reason: "too early" });
    assert.equal(disk.asked.length, 0);
    assert.equal(driver.view.members().length, 0);
    boot();
    assert(disk.asked.length > 0, "the leave was handled after the boot");
    assert.equal(driver.view.members().length, 0, "it left");
    for (const { done } of disk.asked) done();
    await driver.stop();
  });

  test("a write is answered when its own commit is on disk, not before", async () => {
    const { driver, disk, boot } = setUp();
    boot();
    for (const { done } of disk.asked.splice(0)) done();
    let answered = false;
    const reply = driver.write([change("a")], "me", { dryRun: false }).then((value) => {
      answered = true;
      return value;
    });
    await turns();
    assert.equal(answered, false);
    for (const { done } of disk.asked.splice(0)) done();
    assert.equal((await reply).ok, true);
    await driver.stop();
  });

  test("a full disk refuses the write, says so, and the node goes on", async () => {
    const { driver, disk, boot } = setUp();
    boot();
    for (const { done } of disk.asked.splice(0)) done();
    const refused = driver.write([change("a")], "me", { dryRun: false });
    for (const { full } of disk.asked.splice(0)) full();
    const reply = await refused;
    assert(!reply.ok && reply.error.type === "storage");
    assert.match(reply.error.detail, /no space is left for \/disk/);
    const later = driver.write([change("b")], "me", { dryRun: false });
    for (const { done } of disk.asked.splice(0)) done();
    assert.equal((await later).ok, true);
    await driver.stop();
  });

  test("handleDurably is false when the disk refused what the event asked to be stored", async () => {
    for (const outcome of ["done", "full"] as const) {
      const { driver, disk, boot } = setUp();
      boot();
      for (const { done } of disk.asked.splice(0)) done();
      const stored = driver.handleDurably({ type: "leave", reason: "test" });
      for (const asked of disk.asked.splice(0)) asked[outcome]();
      assert.equal(await stored, outcome === "done");
      await driver.stop();
    }
  });

  test("stop waits for the disk, and no event is handled after it", async () => {
    const { driver, disk, boot } = setUp();
    boot();
    driver.handle({ type: "leave", reason: "test" });
    let stopped = false;
    const stop = driver.stop().then(() => (stopped = true));
    await turns();
    assert.equal(stopped, false);
    for (const { done } of disk.asked.splice(0)) done();
    await stop;
    driver.handle({ type: "leave", reason: "too late" });
    assert.equal(disk.asked.length, 0);
  });

  test("a process that stood still for 900 ms says so before it handles anything else", async () => {
    const { driver, disk, boot } = setUp();
    boot();
    const end = performance.now() + 900;
    while (performance.now() < end);
    driver.handle({ type: "wake" });
    assert(driver.notes().some(({ reason }) => reason === "Stalled"));
    for (const { done } of disk.asked) done();
    await driver.stop();
  });
});
