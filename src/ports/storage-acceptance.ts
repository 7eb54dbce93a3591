import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { StorageError, type Put, type Storage, type StorageFailure } from "./storage.ts";

/** A place that holds one storage; `open` may be called again after the storage was closed. */
export type StoragePlace = { readonly open: () => Storage; readonly remove: () => Promise<void> };

/** What every storage must do, whatever it stands on. */
export function storageAcceptance(name: string, makePlace: () => Promise<StoragePlace>): void {
  const inPlace = async (body: (open: () => Storage) => Promise<void>): Promise<void> => {
    const place = await makePlace();
    try {
      await body(place.open);
    } finally {
      await place.remove();
    }
  };

  test(`${name}: what was written is there after reopening, newest value, removals gone`, () =>
    inPlace(async (open) => {
      const storage = open();
      await storage.write([
        { slot: "a", bytes: bytesOf("1") },
        { slot: "b", bytes: bytesOf("2") },
      ]);
      await Promise.all([
        storage.write([{ slot: "a", bytes: bytesOf("3") }]),
        storage.write([{ slot: "b", bytes: undefined }]),
        storage.write([{ slot: "c", bytes: new Uint8Array(0) }]),
      ]);
      await storage.close();
      const again = open();
      assert.deepEqual(contentsOf(again), { a: "3", c: "" });
      await again.close();
    }));

  test(`${name}: slots are told apart by every character, and hold from 0 bytes to 1 MiB`, () =>
    inPlace(async (open) => {
      const storage = open();
      const slots = ["key\0author-1", "key\0author-2", "key", "é", "e\u0301", "🜂", ""];
      const large = new Uint8Array(1024 * 1024).fill(7);
      await storage.write(slots.map((slot, at) => ({ slot, bytes: bytesOf(String(at)) })));
      await storage.write([{ slot: "large", bytes: large }]);
      await storage.close();
      const again = open();
      const found = new Map([...again.load()].map(({ slot, bytes }) => [slot, bytes]));
      assert.deepEqual([...found.keys()].sort(), [...slots, "large"].sort());
      for (const [at, slot] of slots.entries()) assert.equal(textOf(found.get(slot)), String(at));
      assert.ok(Buffer.from(found.get("large") ?? []).equals(large));
      await again.close();
    }));

  test(`${name}: 1,000 writes of one turn resolve in the order they were asked for`, () =>
    inPlace(async (open) => {
      const storage = open();
      const order: number[] = [];
      await Promise.all(
        Array.from({ length: 1000 }, async (_, at) => {
          await storage.write([{ slot: `s${at % 7}`, bytes: bytesOf(String(at)) }]);
          order.push(at);
        }),
      );
      assert.deepEqual(
        order,
        Array.from({ length: 1000 }, (_, at) => at),
      );
      assert.equal(contentsOf(storage)["s6"], "993");
      assert.ok(storage.bytesWritten() >= 1000 * 3);
      await storage.close();
    }));

  test(`${name}: closing finishes what was asked for, and a write after it is refused`, () =>
    inPlace(async (open) => {
      const storage = open();
      const early = storage.write([{ slot: "early", bytes: bytesOf("1") }]);
      await storage.close();
      await early;
      await assert.rejects(storage.write([{ slot: "late", bytes: bytesOf("2") }]), failsAs("io"));
      await storage.close();
      const again = open();
      assert.deepEqual(contentsOf(again), { early: "1" });
      await again.close();
    }));

  test(`${name}: a second opening of the same place is refused until the first has closed`, () =>
    inPlace(async (open) => {
      const storage = open();
      assert.throws(open, failsAs("locked"));
      await storage.write([{ slot: "a", bytes: bytesOf("still writable") }]);
      await storage.close();
      await open().close();
    }));

  test(`${name}: any history of writes, turns and reopenings reads like a map`, () =>
    fc.assert(
      fc.asyncProperty(histories, (history) =>
        inPlace(async (open) => {
          const model = new Map<string, string>();
          let storage = open();
          for (const turn of history) {
            await Promise.all(turn.writes.map((puts) => storage.write(puts)));
            for (const { slot, bytes } of turn.writes.flat()) {
              if (bytes === undefined) model.delete(slot);
              else model.set(slot, textOf(bytes));
            }
            if (turn.reopen) {
              await storage.close();
              storage = open();
            }
            assert.deepEqual(contentsOf(storage), Object.fromEntries(model));
          }
          await storage.close();
        }),
      ),
      { numRuns: 20 },
    ));
}

/** Holds for a `StorageError` of this type. */
export const failsAs =
  (type: StorageFailure["type"]) =>
  (error: unknown): boolean =>
    error instanceof StorageError && error.failure.type === type;

const histories = fc.array(
  fc.record({
    writes: fc.array(
      fc.array(
        fc.record({
          slot: fc.constantFrom("a", "b", "c\0d", "e"),
          bytes: fc.option(fc.string().map(bytesOf), { nil: undefined }),
        }) satisfies fc.Arbitrary<Put>,
        { maxLength: 4 },
      ),
      { maxLength: 4 },
    ),
    reopen: fc.boolean(),
  }),
  { maxLength: 6 },
);

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

function contentsOf(storage: Storage): { readonly [slot: string]: string } {
  return Object.fromEntries([...storage.load()].map(({ slot, bytes }) => [slot, textOf(bytes)]));
}
