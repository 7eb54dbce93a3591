import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { failsAs } from "../../ports/storage-acceptance.ts";
import { inspectStore } from "./inspect-store.ts";
import { backupStore, finishBackup, repairStore, restoreStore } from "./maintenance.ts";
import { openSqliteStorage } from "./sqlite-storage.ts";
import { contentsAt, contentsOf, fill, makeFolder } from "./testbed.ts";
import { walOf } from "./wal.ts";

test("inspecting a whole store finds nothing and changes no byte of it, nor of a log that is left", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  const before = readFileSync(path);
  const found = inspectStore(path);
  assert.deepEqual(contentsOf(found.rows), right);
  assert.ok(found.whole);
  assert.throws(() => openSqliteStorage(path), failsAs("locked"));
  found.release();
  assert.ok(readFileSync(path).equals(before));
  assert.deepEqual(await contentsAt(path), right);
});

test("a store that is open is locked for inspection, repair and restoring, and a missing one is whole and absent", async (t) => {
  const { path, folder, remove } = makeFolder();
  t.after(remove);
  assert.deepEqual({ ...inspectStore(path), release: 0 }.isPresent, false);
  assert.equal(repairStore(path, undefined, 0).isRepaired, false);
  assert.equal(existsSync(path), false);
  await fill(path);
  backupStore(path, join(folder, "backup.db"));
  const storage = openSqliteStorage(path);
  assert.throws(() => inspectStore(path), failsAs("locked"));
  assert.throws(() => repairStore(path, undefined, 0), failsAs("locked"));
  assert.throws(() => restoreStore(path, join(folder, "backup.db"), 0), failsAs("locked"));
  await storage.write([{ slot: "still", bytes: Buffer.from("writable") }]);
  await storage.close();
});

test("a damaged row is named; repair keeps the others and the damaged file, and a second repair has nothing to do", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  const slots = Array.from({ length: 30 }, (_, at) => `slot/${at}`);
  await storage.write(slots.map((slot) => ({ slot, bytes: Buffer.from(`value of ${slot}.`) })));
  await storage.close();
  const bad = readFileSync(path);
  const at = bad.indexOf("value of slot/17.");
  bad[at] = 0;
  writeFileSync(path, bad);
  const found = inspectStore(path);
  found.release();
  assert.deepEqual(found.damaged, ["slot/17"]);
  assert.equal(found.rows.length, 29);
  const repair = repairStore(path, undefined, Date.UTC(2026, 10, 21));
  assert.deepEqual(repair.lost, ["slot/17"]);
  assert.equal(repair.kept, `${path}.damaged-2026-11-21T00-00-00-000Z`);
  assert.ok(readFileSync(repair.kept).equals(bad));
  assert.equal(Object.keys(await contentsAt(path)).length, 29);
  assert.equal(repairStore(path, undefined, 0).isRepaired, false);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a backup made while 300 writes go on is whole and holds all that was written before it", async (t) => {
  const { path, folder, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  const storage = openSqliteStorage(path);
  const part = join(folder, "b.part");
  const writing = (async () => {
    for (let at = 0; at < 300; at++) {
      await storage.write([{ slot: `during/${at}`, bytes: Buffer.alloc(500, at) }]);
    }
  })();
  await storage.backup(part);
  await writing;
  const backup = finishBackup(part, join(folder, "b.db"));
  await storage.close();
  assert.ok(backup.rows >= Object.keys(right).length);
  assert.equal(existsSync(part), false);
  const found = contentsOf(inspectStore(join(folder, "b.db"), { isAlone: true }).rows);
  for (const [slot, bytes] of Object.entries(right)) assert.equal(found[slot], bytes);
  assert.equal(existsSync(`${join(folder, "b.db")}-wal`), false);
});

test("a backup is restored row by row the same, the old store is kept with its log; a damaged backup is refused", async (t) => {
  const { path, folder, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  const file = join(folder, "backup.db");
  assert.equal(backupStore(path, file).rows, Object.keys(right).length);
  const storage = openSqliteStorage(path);
  await storage.write([{ slot: "later", bytes: Buffer.from("1") }]);
  await storage.close();
  const later = await contentsAt(path);
  const { kept = "" } = restoreStore(path, file, Date.now());
  assert.deepEqual(await contentsAt(path), right);
  assert.deepEqual(await contentsAt(kept), later);

  const bad = readFileSync(file);
  bad[bad.length - 100] = (bad[bad.length - 100] ?? 0) ^ 1;
  for (const content of [bad, bad.subarray(0, 8192), Buffer.from("not a database")]) {
    writeFileSync(file, content);
    assert.throws(() => restoreStore(path, file, Date.now()), failsAs("corrupt"));
  }
  assert.throws(() => restoreStore(path, join(folder, "none"), Date.now()), failsAs("io"));
  assert.deepEqual(await contentsAt(path), right);
});

test("promises to exclusive workloads are not restored: old ones are worse than none", async (t) => {
  const { folder, path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  const slots = ["meta/lease-memory", "meta/lease-promise/mesh/db", "meta/lease-roll/mesh", "kept"];
  await storage.write(slots.map((slot) => ({ slot, bytes: Buffer.from("1") })));
  await storage.close();
  const file = join(folder, "backup.db");
  backupStore(path, file);
  assert.equal(restoreStore(path, file, Date.now()).rows, 1);
  assert.deepEqual(Object.keys(await contentsAt(path)), ["kept"]);
});

test("a damaged store is not backed up", async (t) => {
  const { path, folder, remove } = makeFolder();
  t.after(remove);
  await fill(path);
  const bad = readFileSync(path);
  for (let at = 5000; at < bad.length; at += 1500) bad[at] = (bad[at] ?? 0) ^ 4;
  writeFileSync(path, bad);
  assert.throws(() => backupStore(path, join(folder, "b.db")), failsAs("corrupt"));
  assert.equal(existsSync(join(folder, "b.db")), false);
});

test("a replacement that was killed between its renames is finished by the next opening", async (t) => {
  const { path, folder, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  renameSync(path, `${path}.new`);
  // The log of the old file must not be applied to the new one.
  writeFileSync(walOf(path), "left by the old file");
  assert.deepEqual(await contentsAt(path), right);
  assert.ok(existsSync(`${walOf(path)}.left`), folder);
});

test("a store of format 1 is opened, inspected and repaired; its rows are kept as they are", async (t) => {
  const { path, folder, remove } = makeFolder();
  t.after(remove);
  const old = new DatabaseSync(path);
  old.exec(`CREATE TABLE slots (slot BLOB PRIMARY KEY NOT NULL, bytes BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
    PRAGMA application_id = ${0x73746172}; PRAGMA user_version = 1; PRAGMA journal_mode = WAL`);
  const put = old.prepare("INSERT INTO slots VALUES (?, ?, ?)");
  for (const name of ["a", "b"]) {
    const [slot, bytes] = [Buffer.from(name), Buffer.from(`value of ${name}`)];
    put.run(slot, bytes, crc32(bytes, crc32(slot)));
  }
  old.close();
  const right = { a: "value of a", b: "value of b" };
  const good = readFileSync(path);
  const found = inspectStore(path);
  found.release();
  assert.ok(found.whole);
  assert.deepEqual(contentsOf(found.rows), right);
  const bad = Buffer.from(good);
  bad[bad.indexOf("value of a")] = 0;
  writeFileSync(path, bad);
  assert.deepEqual(repairStore(path, undefined, Date.now()).lost, ["a"]);
  assert.deepEqual(await contentsAt(path), { b: right.b });
  writeFileSync(path, good);
  assert.deepEqual(await contentsAt(path, join(folder, "mirror.db")), right);
  assert.deepEqual(await contentsAt(path), right);
});

test("bytes written are counted by day and over reopenings", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  let now = Date.UTC(2026, 10, 21, 23, 50);
  const write = async (): Promise<{ readonly today: number; readonly total: number }> => {
    const storage = openSqliteStorage(path, { now: () => now });
    for (let at = 0; at < 20; at++) await storage.write([{ slot: "a", bytes: Buffer.alloc(5000, at) }]);
    const usage = storage.usage();
    await storage.close();
    return usage;
  };
  const first = await write();
  assert.ok(first.today >= 100_000 && first.total === first.today, JSON.stringify(first));
  const second = await write();
  assert.ok(second.today >= first.today + 100_000, JSON.stringify(second));
  now += 20 * 60_000;
  const third = await write();
  assert.ok(third.today < second.today && third.total >= second.total + 100_000, JSON.stringify(third));
});
