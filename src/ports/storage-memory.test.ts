import assert from "node:assert/strict";
import { test } from "node:test";
import { failsAs, storageAcceptance } from "./storage-acceptance.ts";
import { createMemoryDisk } from "./storage-memory.ts";

storageAcceptance("memory storage", () => {
  const disk = createMemoryDisk();
  return Promise.resolve({ open: disk.open, remove: () => Promise.resolve() });
});

test("a crash of the memory disk keeps what was acknowledged and loses the rest", async () => {
  const disk = createMemoryDisk();
  const storage = disk.open();
  await storage.write([{ slot: "kept", bytes: new Uint8Array([1]) }]);
  const lost = storage.write([{ slot: "lost", bytes: new Uint8Array([2]) }]);
  disk.crash();
  await assert.rejects(lost, failsAs("io"));
  assert.deepEqual(
    [...disk.open().load()].map(({ slot }) => slot),
    ["kept"],
  );
});

test("a full memory disk rejects the writes of that turn and takes the next when there is room", async () => {
  const disk = createMemoryDisk();
  const storage = disk.open();
  disk.failWith({ type: "full", path: "memory" });
  const refused = await Promise.allSettled([
    storage.write([{ slot: "a", bytes: new Uint8Array([1]) }]),
    storage.write([{ slot: "b", bytes: new Uint8Array([1]) }]),
  ]);
  assert.deepEqual(
    refused.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  disk.failWith(undefined);
  await storage.write([{ slot: "c", bytes: new Uint8Array([1]) }]);
  assert.deepEqual(
    [...storage.load()].map(({ slot }) => slot),
    ["c"],
  );
});
