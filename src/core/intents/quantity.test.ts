import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuMilli, memoryBytes, parseDuration } from "./quantity.ts";

test("cpu is read in thousandths, rounded up, exactly", () => {
  for (const [text, milli] of [
    ["500m", 500],
    ["0.29", 290],
    ["2", 2000],
    [1, 1000],
    [0.5, 500],
    ["1u", 1],
    ["1e1", 10_000],
    [".5", 500],
    ["2k", 2_000_000],
  ] as const) {
    assert.equal(cpuMilli(text), milli, String(text));
  }
});

test("memory is read in bytes, with binary and decimal units", () => {
  for (const [text, bytes] of [
    ["128Mi", 134_217_728],
    ["1.5Gi", 1_610_612_736],
    ["64M", 64_000_000],
    ["1Ki", 1024],
    ["100", 100],
    ["1E3", 1000],
    ["1500m", 2],
  ] as const) {
    assert.equal(memoryBytes(text), bytes, text);
  }
});

test("what is no quantity, or beyond exact integers, is undefined", () => {
  for (const text of [
    "",
    "m",
    "1 Gi",
    "1GiB",
    "0x1",
    "1e",
    "--1",
    "NaN",
    "9E",
    "1e99",
    "1".repeat(40),
    true,
    null,
    [],
  ]) {
    assert.equal(memoryBytes(text), undefined, String(text));
  }
});

test("durations are read as Go writes them, in milliseconds", () => {
  for (const [text, ms] of [
    ["10s", 10_000],
    ["1m30s", 90_000],
    ["500ms", 500],
    ["1.5h", 5_400_000],
  ] as const) {
    assert.equal(parseDuration(text), ms, text);
  }
  for (const text of ["", "10", "s", "10 s", "-1s", "1d", "9".repeat(30) + "h"]) {
    assert.equal(parseDuration(text), undefined, text);
  }
});
