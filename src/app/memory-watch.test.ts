import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemorySample } from "../core/node/memory.ts";
import { createLook } from "./memory-watch.ts";

const mebi = 2 ** 20;

/** A machine whose files say what the test says. */
function bed(allocatableMiB: number | undefined) {
  const machine = { availableMiB: 1_000, isCalledShort: false, used: new Map<string, number>() };
  const told: MemorySample[] = [];
  let asked = 0;
  const look = createLook({
    files: {
      text: (path) =>
        path === "/proc/meminfo" ? `MemAvailable: ${machine.availableMiB * 1024} kB` : undefined,
      list: () => [],
      exists: () => false,
      target: () => undefined,
    },
    runtime: {
      memoryUse: () => {
        asked++;
        return machine.used;
      },
    },
    wantedBytes: 100 * mebi,
    allocatableBytes: () => (allocatableMiB === undefined ? undefined : allocatableMiB * mebi),
    isCalledShort: () => machine.isCalledShort,
    tell: (sample) => told.push(sample),
  });
  return { machine, told, look, asked: () => asked };
}

test("nothing is told while memory is plenty, and pods are looked at every 5th time", () => {
  const { look, told, asked } = bed(500);
  for (let at = 0; at < 10; at++) look();
  assert.deepEqual(told, []);
  assert.equal(asked(), 2);
});

test("a shortage is told each time, with what pods use at that moment; plenty as long as the node calls itself short", () => {
  const { look, told, machine } = bed(500);
  look();
  machine.availableMiB = 99;
  machine.used = new Map([["pod", 70 * mebi]]);
  look();
  assert.equal(told[0]?.availableBytes, 99 * mebi);
  assert.equal(told[0].usedByPod.get("pod"), 70 * mebi);
  machine.isCalledShort = true;
  look();
  assert.equal(told.length, 2);
  machine.availableMiB = 800;
  for (let at = 0; at < 100; at++) look();
  machine.isCalledShort = false;
  for (let at = 0; at < 20; at++) look();
  assert.equal(told.length, 2 + 100);
  assert.equal(told.at(-1)?.availableBytes, 530 * mebi);
});

test("pods that use 40 MiB more than is allocatable leave 60 of 100 MiB, on a machine with plenty", () => {
  const { look, told, machine } = bed(500);
  machine.used = new Map([
    ["a", 500 * mebi],
    ["b", 40 * mebi],
  ]);
  look();
  assert.equal(told[0]?.availableBytes, 60 * mebi);
});

test("before the machine was measured only its own word counts", () => {
  const { look, told, machine } = bed(undefined);
  machine.used = new Map([["a", 5_000 * mebi]]);
  look();
  assert.deepEqual(told, []);
});
