import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { failsAs } from "../../ports/storage-acceptance.ts";
import { StorageError } from "../../ports/storage.ts";
import { openSqliteStorage } from "./sqlite-storage.ts";

/** What only a killed process and a full device can show. */

const callsPerTurn = 5;
const slotsPerCall = 8;

/** Writes for ever: calls of 8 equal slots, 5 calls a turn; says the number of each acknowledged call. */
const writer = `
  import { openSqliteStorage } from ${JSON.stringify(import.meta.resolve("./sqlite-storage.ts"))};
  import { writeSync } from "node:fs";
  const storage = openSqliteStorage(process.argv[1]);
  writeSync(1, "open\\n");
  for (let turn = Number(process.argv[2]); ; turn++) {
    await Promise.all(Array.from({ length: ${callsPerTurn} }, async (_, call) => {
      const at = turn * ${callsPerTurn} + call;
      const bytes = Buffer.alloc(300 + 40 * (at % 50), String(at) + " ");
      await storage.write(
        Array.from({ length: ${slotsPerCall} }, (_, part) => ({ slot: (at % 100) + "/" + part, bytes })),
      );
      writeSync(1, at + "\\n");
    }));
  }`;

test("in 12 kills with SIGKILL every acknowledged write survives, and none of the others is there in part", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  let turn = 0;
  let acknowledged = -1;
  for (let kill = 0; kill < 12; kill++) {
    const child = spawnWriter(path, turn);
    const said: string[] = [];
    const lines = createInterface({ input: child.stdout }).on("line", (line) => said.push(line));
    while (said.length < 2 + 17 * kill) await once(lines, "line");
    child.kill("SIGKILL");
    await once(child, "close");
    acknowledged = Math.max(acknowledged, ...said.filter((line) => /^\d+$/.test(line)).map(Number));

    const storage = openSqliteStorage(path);
    const callBySlot = new Map([...storage.load()].map(({ slot, bytes }) => [slot, callOf(bytes)]));
    for (let group = 0; group < 100; group++) {
      const calls = Array.from({ length: slotsPerCall }, (_, part) => callBySlot.get(`${group}/${part}`));
      assert.equal(new Set(calls).size, 1, `the slots of group ${group} are of calls ${calls.join()}`);
      const last = acknowledged - ((((acknowledged - group) % 100) + 100) % 100);
      if (last >= 0) assert.ok((calls[0] ?? -1) >= last, `call ${last} was acknowledged and is gone`);
    }
    await storage.close();
    turn = Math.floor(Math.max(0, ...callBySlot.values()) / callsPerTurn) + 1;
  }
  assert.ok(acknowledged > 100);
});

test("another process is told who holds the storage, and gets it once the holder is killed", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const child = spawnWriter(path, 0);
  await once(createInterface({ input: child.stdout }), "line");
  assert.throws(
    () => openSqliteStorage(path),
    (error) => {
      assert.ok(error instanceof StorageError);
      assert.deepEqual(error.failure, { type: "locked", path, holder: `process ${child.pid}` });
      return true;
    },
  );
  child.kill("SIGKILL");
  await once(child, "close");
  const storage = openSqliteStorage(path);
  assert.ok([...storage.load()].length >= 0);
  await storage.close();
});

test("a second opening in the holder's own process does not let a third process in", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  assert.throws(() => openSqliteStorage(path), failsAs("locked"));
  const other = spawnSync(process.execPath, ["--input-type=module", "-e", writer, path, "0"], {
    encoding: "utf8",
    timeout: 10_000,
  });
  assert.equal(other.stdout, "");
  assert.match(other.stderr, /locked/);
  await storage.close();
});

test("a full device rejects the write and keeps the rest; writing goes on when there is room again", async (t) => {
  const device = mountSmallDevice(t);
  if (device === undefined) return;
  const path = join(device, "state.db");
  const storage = openSqliteStorage(path);
  await storage.write([{ slot: "kept", bytes: Buffer.from("1") }]);
  const ballast = fillUp(join(device, "ballast"));
  const results = await Promise.allSettled([
    storage.write([{ slot: "kept", bytes: Buffer.from("2") }]),
    storage.write([{ slot: "big", bytes: Buffer.alloc(300_000) }]),
  ]);
  for (const result of results) {
    assert.equal(result.status, "rejected");
    assert.ok(failsAs("full")(result.reason), String(result.reason));
  }
  assert.deepEqual(slotsOf([...storage.load()]), { kept: "1" });
  await storage.close();

  const again = openSqliteStorage(path);
  assert.deepEqual(slotsOf([...again.load()]), { kept: "1" });
  rmSync(ballast);
  await again.write([{ slot: "kept", bytes: Buffer.from("3") }]);
  await again.close();
  const last = openSqliteStorage(path);
  assert.deepEqual(slotsOf([...last.load()]), { kept: "3" });
  await last.close();
});

test("creating a storage on a full device fails as full", (t) => {
  const device = mountSmallDevice(t);
  if (device === undefined) return;
  fillUp(join(device, "ballast"));
  assert.throws(() => openSqliteStorage(join(device, "state.db")), failsAs("full"));
});

function spawnWriter(path: string, turn: number): ChildProcess & { readonly stdout: NodeJS.ReadableStream } {
  return spawn(process.execPath, ["--input-type=module", "-e", writer, path, String(turn)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

const callOf = (bytes: Uint8Array): number => Number.parseInt(Buffer.from(bytes).toString(), 10);

function slotsOf(rows: readonly { slot: string; bytes: Uint8Array }[]): { readonly [slot: string]: string } {
  return Object.fromEntries(rows.map(({ slot, bytes }) => [slot, Buffer.from(bytes).toString()]));
}

function makeFolder(): { readonly folder: string; readonly path: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "starlight-storage-"));
  return {
    folder,
    path: join(folder, "state.db"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A file system of 1 MiB in memory; skips the test where it may not be mounted. */
function mountSmallDevice(t: {
  skip: (why: string) => void;
  after: (done: () => void) => void;
}): string | undefined {
  const { folder, remove } = makeFolder();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "starlight-test", folder]);
  if (mounted.status !== 0) {
    remove();
    t.skip("needs the right to mount a small tmpfs (root)");
    return undefined;
  }
  t.after(() => {
    spawnSync("umount", [folder]);
    remove();
  });
  return folder;
}

/** Writes a file until the device has no byte left. */
function fillUp(file: string): string {
  const descriptor = openSync(file, "w");
  try {
    for (const size of [65_536, 4096, 1]) {
      try {
        for (;;) writeSync(descriptor, Buffer.alloc(size));
      } catch (error) {
        assert.ok(error instanceof Error && "code" in error && error.code === "ENOSPC", String(error));
      }
    }
  } finally {
    closeSync(descriptor);
  }
  return file;
}
