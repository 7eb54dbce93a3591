import assert from "node:assert/strict";
import { test } from "node:test";
import type { Storage } from "./storage.ts";

/** What every storage must do. `reopen` closes the storage and opens the same place again. */
export function storageAcceptance(
  name: string,
  open: () => Promise<{ storage: Storage; reopen: () => Promise<Storage>; done: () => Promise<void> }>,
): void {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const contents = (storage: Storage): { [slot: string]: string } =>
    Object.fromEntries(storage.load().map((row) => [row.slot, new TextDecoder().decode(row.bytes)]));

  test(`${name}: what was written is there after reopening, newest value, removals gone`, async () => {
    const { storage, reopen, done } = await open();
    await storage.write([
      { slot: "a", bytes: bytes("1") },
      { slot: "b", bytes: bytes("2") },
    ]);
    await Promise.all([
      storage.write([{ slot: "a", bytes: bytes("3") }]),
      storage.write([{ slot: "b", bytes: undefined }]),
      storage.write([{ slot: "c", bytes: new Uint8Array(0) }]),
    ]);
    const again = await reopen();
    assert.deepEqual(contents(again), { a: "3", c: "" });
    await again.close();
    await done();
  });

  test(`${name}: 1,000 writes of one turn resolve in the order they were asked for`, async () => {
    const { storage, done } = await open();
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 1000 }, (_, at) =>
        storage.write([{ slot: `s${at % 7}`, bytes: bytes(String(at)) }]).then(() => order.push(at)),
      ),
    );
    assert.deepEqual(
      order,
      Array.from({ length: 1000 }, (_, at) => at),
    );
    assert.equal(contents(storage)["s6"], "993");
    await storage.close();
    await done();
  });
}
