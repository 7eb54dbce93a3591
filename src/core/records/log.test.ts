import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { coverLog, dropFromLog, logName, newestOf, putIntoLog, recordsAfter, type Log } from "./log.ts";
import { draftRecord, type MeshRecord } from "./record.ts";

const author = "0123456789abcdef0123";
const emptyLog = (): Log => ({
  scope: "mesh",
  kind: "fact",
  author,
  head: 0,
  records: [],
  stale: 0,
  ahead: [],
});
function record(version: number, name = `k${version}`): MeshRecord {
  const made = draftRecord({ scope: "mesh", key: name, kind: "fact", version, body: {} }, author, nodeCrypto);
  made.live = true;
  return made;
}
const logOf = (versions: readonly number[]): Log => {
  const log = emptyLog();
  versions.forEach((version, at) => putIntoLog(log, record(version, `k${at}`)));
  return log;
};
const after = (log: Log, version: number): number[] =>
  [...recordsAfter(log, version)].map((each) => each.version);
const mixed = <T>(items: readonly T[], keys: Iterator<number>): T[] =>
  items
    .map((item) => ({ item, key: Number(keys.next().value) }))
    .sort((left, right) => left.key - right.key)
    .map(({ item }) => item);

test("records lie in the order of their stamps, however they came, and those after any stamp are found", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 60 }), fc.nat(41), (versions, from) => {
      const log = logOf(versions);
      const sorted = [...versions].sort((left, right) => left - right);
      assert.deepEqual(after(log, -1), sorted);
      assert.deepEqual(
        after(log, from),
        sorted.filter((version) => version > from),
      );
    }),
  );
});

test("records that are not live are passed over, before and after they are swept out", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(200), { maxLength: 120 }),
      fc.infiniteStream(fc.boolean()),
      (versions, dies) => {
        const log = logOf(versions);
        for (const each of log.records) {
          if (dies.next().value !== true) continue;
          each.live = false;
          dropFromLog(log);
        }
        const alive = log.records.filter(({ live }) => live).map(({ version }) => version);
        assert.deepEqual(after(log, -1), alive);
        assert.equal(newestOf(log), alive.at(-1) ?? 0);
        assert.equal(log.stale, log.records.filter(({ live }) => !live).length);
      },
    ),
  );
});

test("at most half of a log of 64 or more records is dead weight", () => {
  const log = logOf([...Array(1_000).keys()]);
  for (const each of [...log.records].slice(0, 990)) {
    each.live = false;
    dropFromLog(log);
  }
  assert.ok(log.records.length < 64, `${log.records.length} records for 10 live ones`);
});

test("covers without a gap move the head to their end, in any order and however often they come", () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(cuts, fc.infiniteStream(fc.nat(1_000)), (cuts, keys) => {
      const stamps = [0, ...cuts.sort((left, right) => left - right)];
      const ranges = stamps.slice(1).map((to, at) => ({ from: stamps[at] ?? 0, to }));
      const log = emptyLog();
      for (const { from, to } of mixed([...ranges, ...ranges.slice(0, 3)], keys)) coverLog(log, from, to);
      assert.equal(log.head, stamps.at(-1));
      assert.deepEqual(log.ahead, []);
    }),
  );
});

test("the head never passes a gap, never goes back, and never claims what no cover said", () => {
  const range = fc
    .tuple(fc.nat(50), fc.nat(50))
    .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
      const log = emptyLog();
      const covered = new Set<number>();
      for (const { from, to } of ranges) {
        const before = log.head;
        coverLog(log, from, to);
        for (let stamp = from + 1; stamp <= to; stamp++) covered.add(stamp);
        assert.ok(log.head >= before);
        let reach = 0;
        while (covered.has(reach + 1)) reach++;
        assert.equal(log.head, reach);
      }
    }),
  );
});

test("64 gaps are remembered; what lies behind more is left to a comparison, and the head stays honest", () => {
  const log = emptyLog();
  for (let at = 0; at < 500; at++) coverLog(log, 10 * at + 5, 10 * at + 9);
  assert.equal(log.head, 0);
  assert.equal(log.ahead.length, 64);
  coverLog(log, 0, 10_000);
  assert.equal(log.head, 10_000);
  assert.deepEqual(log.ahead, []);
});

test("a log is named by its scope, class and author", () => {
  const names = [
    { scope: "mesh", kind: "fact", author },
    { scope: "site:a", kind: "fact", author },
    { scope: "mesh", kind: "intent", author },
    { scope: "mesh", kind: "fact", author: "f".repeat(20) },
  ] as const;
  assert.equal(new Set(names.map(logName)).size, names.length);
});
