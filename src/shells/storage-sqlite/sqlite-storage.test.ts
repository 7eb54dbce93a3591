import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import * as fc from "fast-check";
import { failsAs, storageAcceptance } from "../../ports/storage-acceptance.ts";
import { StorageError } from "../../ports/storage.ts";
import { openSqliteStorage } from "./sqlite-storage.ts";

storageAcceptance("sqlite storage", () => {
  const { path, remove } = makeFolder();
  return Promise.resolve({
    open: () => openSqliteStorage(path),
    remove: () => Promise.resolve(remove()),
  });
});

test("the file and its log can be read by their owner only", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  await storage.write([{ slot: "a", bytes: Buffer.from("secret") }]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(`${path}-wal`).mode & 0o777, 0o600);
  await storage.close();
});

test("2,000 writes of 4 KiB leave a log of at most 6 MiB while the storage is open", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  const bytes = Buffer.alloc(4096, 1);
  for (let turn = 0; turn < 40; turn++) {
    await Promise.all(
      Array.from({ length: 50 }, (_, at) => storage.write([{ slot: `${turn % 4}/${at}`, bytes }])),
    );
  }
  assert.ok(statSync(`${path}-wal`).size <= 6 * 1024 * 1024, String(statSync(`${path}-wal`).size));
  assert.ok(storage.bytesWritten() >= 2_000 * 4096);
  await storage.close();
});

test("no single flipped bit, in 300 places of the file, changes what is read without being noticed", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  await storage.write(
    Array.from({ length: 60 }, (_, at) => ({
      slot: `intent/${at}`,
      bytes: Buffer.alloc(7 * at + (at % 20 === 0 ? 6000 : 0), at),
    })),
  );
  const before = [...storage.load()];
  await storage.close();
  const good = readFileSync(path);
  const outcomes = { refused: 0, unchanged: 0 };
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(7), (at, bit) => {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ (1 << bit);
      writeFileSync(path, bad);
      try {
        const again = openSqliteStorage(path);
        try {
          assert.deepEqual([...again.load()], before);
          outcomes.unchanged++;
        } finally {
          void again.close();
        }
      } catch (error) {
        assert.ok(error instanceof StorageError, String(error));
        assert.ok(["corrupt", "newer", "io"].includes(error.failure.type), error.failure.type);
        outcomes.refused++;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(outcomes.refused > 30, JSON.stringify(outcomes));
});

test("a flipped bit in the schema's text is refused as corrupt, and the file can be opened again", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  await openSqliteStorage(path).close();
  const good = readFileSync(path);
  for (const word of ["slots (", "slot BLOB", "bytes BLOB", "PRIMARY KEY", "checksum INT"]) {
    const bad = Buffer.from(good);
    const at = bad.indexOf(word);
    bad[at] = (bad[at] ?? 0) ^ 1;
    writeFileSync(path, bad);
    assert.throws(() => openSqliteStorage(path), failsAs("corrupt"), word);
  }
  writeFileSync(path, good);
  await openSqliteStorage(path).close();
});

test("a page that lost one of its 3 entries to a flipped bit is refused, although every row left is sound", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  await storage.write(["a", "b", "c"].map((slot) => ({ slot, bytes: Buffer.from("1") })));
  await storage.close();
  const good = readFileSync(path);
  const pageBytes = good.readUInt16BE(16);
  // The table and its index; bytes 3 and 4 of a page count its entries (fileformat.html, 1.6).
  for (const page of [1, 2]) {
    const bad = Buffer.from(good);
    assert.equal(bad.readUInt16BE(page * pageBytes + 3), 3);
    bad.writeUInt16BE(2, page * pageBytes + 3);
    writeFileSync(path, bad);
    assert.throws(() => openSqliteStorage(path), failsAs("corrupt"));
  }
});

test("a flipped bit in a record is reported as corrupt with the record's name, and the file is left as it is", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  await storage.write([{ slot: "intent/shop", bytes: Buffer.from("the quick brown fox") }]);
  await storage.close();
  const bad = readFileSync(path);
  const at = bad.indexOf("quick");
  bad[at] = (bad[at] ?? 0) ^ 1;
  writeFileSync(path, bad);
  const again = openSqliteStorage(path);
  assert.throws(
    () => [...again.load()],
    (error) => failsAs("corrupt")(error) && JSON.stringify(error).includes("intent/shop"),
  );
  await again.close();
  assert.ok(readFileSync(path).equals(bad));
});

test("a cut-off file is refused as corrupt", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  await storage.write([{ slot: "a", bytes: Buffer.alloc(40_000, 1) }]);
  await storage.close();
  truncateSync(path, statSync(path).size - 8192);
  assert.throws(() => openSqliteStorage(path), failsAs("corrupt"));
});

test("a file that is no database is refused as corrupt and left as it is", (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const text = "not a database, but somebody's file ".repeat(100);
  writeFileSync(path, text);
  assert.throws(() => openSqliteStorage(path), failsAs("corrupt"));
  assert.equal(readFileSync(path, "utf8"), text);
});

test("another program's database is refused as corrupt and left as it is", (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const other = new DatabaseSync(path);
  other.exec("CREATE TABLE theirs (a)");
  other.close();
  const before = readFileSync(path);
  assert.throws(() => openSqliteStorage(path), failsAs("corrupt"));
  assert.ok(readFileSync(path).equals(before));
});

test("a schema of version 7 is refused as newer than ours, 2", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  await openSqliteStorage(path).close();
  const later = new DatabaseSync(path);
  later.exec("PRAGMA user_version = 7");
  later.close();
  assert.throws(
    () => openSqliteStorage(path),
    (error) => {
      assert.ok(error instanceof StorageError);
      assert.deepEqual(error.failure, { type: "newer", path, version: 7, ours: 2 });
      return true;
    },
  );
});

test("a folder that is not there is an io failure that names the path", () => {
  const path = join(tmpdir(), "starlight-no-such-folder", "state.db");
  assert.throws(
    () => openSqliteStorage(path),
    (error) => failsAs("io")(error) && JSON.stringify(error).includes(path),
  );
});

function makeFolder(): { readonly path: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "starlight-storage-"));
  return { path: join(folder, "state.db"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
