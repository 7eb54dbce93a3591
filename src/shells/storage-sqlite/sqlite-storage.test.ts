import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync, closeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StorageError } from "../../ports/storage.ts";
import { storageAcceptance } from "../../ports/storage-acceptance.ts";
import { openSqliteStorage } from "./sqlite-storage.ts";

function folder(): { path: string; remove: () => void } {
  const made = mkdtempSync(join(tmpdir(), "starlight-storage-"));
  return { path: join(made, "state.db"), remove: () => rmSync(made, { recursive: true, force: true }) };
}

storageAcceptance("sqlite storage", async () => {
  const { path, remove } = folder();
  const storage = openSqliteStorage(path);
  return Promise.resolve({
    storage,
    reopen: async () => {
      await storage.close();
      return openSqliteStorage(path);
    },
    done: () => Promise.resolve(remove()),
  });
});

const isFailure =
  (type: string) =>
  (error: unknown): boolean =>
    error instanceof StorageError && error.failure.type === type;

test("every acknowledged write survives kill -9, and nothing is half there, in 8 kills", async () => {
  const { path, remove } = folder();
  const script = `
    import { openSqliteStorage } from ${JSON.stringify(import.meta.resolve("./sqlite-storage.ts"))};
    const storage = openSqliteStorage(${JSON.stringify(path)});
    for (let at = Number(process.argv[1]); ; at++) {
      const bytes = new TextEncoder().encode(String(at).repeat(50));
      await storage.write([{ slot: "left", bytes }, { slot: "right", bytes }, { slot: "n" + at, bytes }]);
      process.stdout.write(at + "\\n");
    }`;
  let next = 0;
  for (let kill = 0; kill < 8; kill++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, String(next)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    while (said.split("\n").length < 5 + 7 * kill) await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    const acknowledged = said.split("\n").slice(0, -1).map(Number);
    const storage = openSqliteStorage(path);
    const slots = new Map(storage.load().map((row) => [row.slot, new TextDecoder().decode(row.bytes)]));
    for (const at of acknowledged) assert.ok(slots.has(`n${at}`), `write ${at} was acknowledged and is gone`);
    assert.equal(slots.get("left"), slots.get("right"));
    next = Math.max(...acknowledged) + 1000;
    await storage.close();
  }
  remove();
});

test("a flipped bit in a record is found when the storage is loaded", async () => {
  const { path, remove } = folder();
  const storage = openSqliteStorage(path);
  await storage.write([{ slot: "a", bytes: new TextEncoder().encode("the quick brown fox") }]);
  await storage.close();
  const file = readFileSync(path);
  const at = file.indexOf("quick");
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, Buffer.from([(file[at] ?? 0) ^ 1]), 0, 1, at);
  closeSync(descriptor);
  const again = openSqliteStorage(path);
  assert.throws(() => again.load(), isFailure("corrupt"));
  await again.close();
  remove();
});

test("a file that is no database is refused as corrupt and left as it is", () => {
  const { path, remove } = folder();
  writeFileSync(path, "not a database, but somebody's file ".repeat(100));
  assert.throws(() => openSqliteStorage(path), isFailure("corrupt"));
  assert.match(readFileSync(path, "utf8"), /^not a database/);
  remove();
});

test("a second open of the same folder is refused with the holder's process id", async () => {
  const { path, remove } = folder();
  const storage = openSqliteStorage(path);
  assert.throws(
    () => openSqliteStorage(path),
    (error) => isFailure("locked")(error) && JSON.stringify(error).includes(String(process.pid)),
  );
  await storage.close();
  writeFileSync(`${path}.lock`, "999999 1");
  await openSqliteStorage(path).close();
  remove();
});
