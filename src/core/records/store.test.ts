import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { hex } from "../kernel/bytes.ts";
import { draftRecord, isTombstone, slotOf, type MeshRecord } from "./record.ts";
import type { Scope } from "./scope.ts";
import { openStored, sealRecord, storedBytes } from "./seal.ts";
import { parcelOf } from "./testbed.ts";
import {
  dropRecord,
  emptyStore,
  findRecord,
  logOf,
  putRecord,
  scopeDigest,
  sealNext,
  tombstoneCount,
  type RecordStore,
} from "./store.ts";

type Draft = {
  readonly key: string;
  readonly by: number;
  readonly version: number;
  readonly scope: Scope;
  readonly body: number | undefined;
};

const authorOf = (by: number): string => by.toString(16).padStart(20, "0");
const blank = { sign: () => new Uint8Array(64) };
const record = ({ key, by, version, scope, body }: Draft): MeshRecord =>
  sealRecord({ key, version, scope, kind: "fact", body }, authorOf(by), blank, nodeCrypto);

const first: Draft = { key: "a", by: 1, version: 5, scope: "mesh", body: 1 };
const draft: fc.Arbitrary<Draft> = fc.record({
  key: fc.constantFrom("a", "b", "c"),
  by: fc.nat(2),
  version: fc.integer({ min: 1, max: 4 }),
  scope: fc.constantFrom<Scope>("mesh", "site:oslo", "region:north"),
  body: fc.option(fc.nat(3), { nil: undefined }),
});
const drafts = fc.array(draft, { maxLength: 30 });
const recordsIn = ({ bySlot }: RecordStore, scope: Scope): MeshRecord[] =>
  [...bySlot.entries()]
    .filter(([, { scope: its }]) => its === scope)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, each]) => each);
const scopes: readonly Scope[] = ["mesh", "site:oslo", "region:north"];

function storeOf(records: readonly MeshRecord[]): RecordStore {
  const store = emptyStore();
  for (const record of records) putRecord(store, record);
  return store;
}

/** Everything there is to see of a store. */
function contents(store: RecordStore): unknown {
  return scopes.map((scope) => {
    const { hash, count } = scopeDigest(store, scope);
    const records = recordsIn(store, scope).map(({ hash: each }) => hex(each));
    return { scope, hash: hex(hash), count, records };
  });
}

test("the newest version of a slot is kept, and an older one is answered with it", () => {
  const store = emptyStore();
  const old = record(first);
  const next = record({ ...first, version: 6 });
  assert.deepEqual(putRecord(store, old), { type: "stored", replaced: undefined });
  assert.deepEqual(putRecord(store, next), { type: "stored", replaced: old });
  assert.deepEqual(putRecord(store, old), { type: "older", newer: next });
  assert.equal(findRecord(store, "a", authorOf(1)), next);
});

test("a record that is held already is known, also when its bytes came a second time", () => {
  const store = storeOf([record(first)]);
  assert.deepEqual(putRecord(store, record(first)), { type: "known" });
  assert.equal(scopeDigest(store, "mesh").count, 1);
});

test("two authors, or two keys, do not replace each other", () => {
  const records = [record(first), record({ ...first, by: 2 }), record({ ...first, key: "b" })];
  const store = storeOf(records);
  assert.equal(new Set(records.map(slotOf)).size, 3);
  for (const held of records) assert.equal(findRecord(store, held.key, held.author), held);
  assert.equal(findRecord(store, "b", authorOf(2)), undefined);
});

test("of two truths with one version the smaller hash is kept, whichever came first", () => {
  const one = record(first);
  const other = record({ ...first, body: 2 });
  const [small, large] = hex(one.hash) < hex(other.hash) ? [one, other] : [other, one];
  for (const [held, next] of [[small, large] as const, [large, small] as const]) {
    const store = storeOf([held]);
    assert.deepEqual(putRecord(store, next), { type: "equivocation", kept: small, other: large });
    assert.equal(findRecord(store, "a", authorOf(1)), small);
    assert.deepEqual(contents(store), contents(storeOf([small])));
  }
});

test("stores that got the same records are the same, in whatever order and however often they came", () => {
  fc.assert(
    fc.property(drafts, fc.infiniteStream(fc.nat(1000)), (drafts, keys) => {
      const records = drafts.map(record);
      const keyed = [...records, ...records].map((record) => ({ record, key: keys.next().value ?? 0 }));
      const mixed = keyed.sort((left, right) => left.key - right.key).map(({ record }) => record);
      assert.deepEqual(contents(storeOf(mixed)), contents(storeOf(records)));
    }),
  );
});

test("the order of versions is total: of any records of a slot exactly one wins against all others", () => {
  fc.assert(
    fc.property(fc.array(draft, { minLength: 1, maxLength: 8 }), (drafts) => {
      const records = drafts.map((draft) => record({ ...draft, key: "a", by: 1 }));
      const winner = findRecord(storeOf(records), "a", authorOf(1));
      assert.ok(winner !== undefined);
      for (const other of records) {
        const outcome = putRecord(storeOf([winner]), other);
        assert.notEqual(outcome.type, "stored");
        if (outcome.type === "equivocation") assert.equal(outcome.kept, winner);
        assert.equal(other.version < winner.version, outcome.type === "older");
      }
    }),
  );
});

test("a scope's hash is that of a fresh store with the same records, after any replacements and drops", () => {
  fc.assert(
    fc.property(drafts, fc.array(fc.nat(29)), (drafts, dropped) => {
      const records = drafts.map(record);
      const store = storeOf(records);
      for (const at of dropped) {
        const victim = records[at];
        if (victim !== undefined) dropRecord(store, findRecord(store, victim.key, victim.author) ?? victim);
      }
      assert.deepEqual(contents(store), contents(storeOf([...store.bySlot.values()])));
      for (const scope of scopes)
        assert.equal(scopeDigest(store, scope).count, recordsIn(store, scope).length);
    }),
  );
});

test("a hash tells any two sets of records apart", () => {
  fc.assert(
    fc.property(drafts, drafts, (left, right) => {
      const [one, other] = [storeOf(left.map(record)), storeOf(right.map(record))];
      for (const scope of scopes) {
        const ids = [one, other].map((store) =>
          recordsIn(store, scope)
            .map(({ hash: each }) => hex(each))
            .join(),
        );
        const hashes = [one, other].map((store) => hex(scopeDigest(store, scope).hash));
        assert.equal(hashes[0] === hashes[1], ids[0] === ids[1]);
      }
    }),
  );
});

test("a hash is the sum of the hashes (their first 16 bytes), lane by lane modulo 2^32, little-endian", () => {
  const made = (by: number, id: readonly number[]): MeshRecord => ({
    ...record({ ...first, by }),
    hash: Uint8Array.from({ length: 32 }, (_, at) => id[at] ?? 0),
  });
  const one = made(1, [255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 128]);
  const other = made(2, [2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 128]);
  const store = storeOf([one, other]);
  assert.equal(hex(scopeDigest(store, "mesh").hash), "0100000002030405060708090a0b0c00");
});

test("a scope without records has the hash 0, before the first one and after the last was dropped", () => {
  const held = record(first);
  const store = storeOf([held]);
  assert.notEqual(hex(scopeDigest(store, "mesh").hash), "00".repeat(16));
  assert.equal(hex(scopeDigest(store, "site:oslo").hash), "00".repeat(16));
  dropRecord(store, held);
  assert.deepEqual(contents(store), contents(emptyStore()));
  assert.equal(findRecord(store, "a", authorOf(1)), undefined);
});

test("dropping a record that was replaced meanwhile leaves its successor alone", () => {
  const old = record(first);
  const next = record({ ...first, version: 6 });
  const store = storeOf([old, next]);
  dropRecord(store, old);
  assert.equal(findRecord(store, "a", authorOf(1)), next);
  assert.equal(scopeDigest(store, "mesh").count, 1);
});

test("a record that moves to another scope leaves the hash of its first one", () => {
  const store = storeOf([record(first), record({ ...first, version: 6, scope: "site:oslo" })]);
  assert.equal(scopeDigest(store, "mesh").count, 0);
  assert.equal(scopeDigest(store, "site:oslo").count, 1);
});

test("records are listed by slot, in one order, and only those of the scope", () => {
  fc.assert(
    fc.property(drafts, (drafts) => {
      const store = storeOf(drafts.map(record));
      for (const scope of scopes) {
        const listed = recordsIn(store, scope);
        const slots = listed.map(slotOf);
        assert.deepEqual(slots, [...new Set(slots)].sort());
        assert.ok(listed.every((record) => record.scope === scope));
      }
    }),
  );
});

const none = new Uint8Array(0);
const together = (count: number): MeshRecord[] =>
  parcelOf(
    { id: authorOf(1), signer: { ...blank, publicKey: none } },
    { scope: "mesh", kind: "fact" },
    Array.from({ length: count }, (_, at) => ({
      key: `k${at}`,
      version: 5 + at,
      body: none,
      extension: none,
    })),
    0,
    nodeCrypto,
  );
/** The record as it comes alone. */
function alone(record: MeshRecord): MeshRecord {
  const opened = openStored(storedBytes(record, nodeCrypto), nodeCrypto);
  assert.ok(opened.ok);
  return opened.value;
}

test("records of one parcel that come one by one share one seal, and any of them can be passed on after each", () => {
  const parcel = together(6);
  fc.assert(
    fc.property(fc.shuffledSubarray(parcel, { minLength: 1 }), (some) => {
      const store = storeOf(some.map(alone));
      const held = [...store.bySlot.values()];
      assert.equal(new Set(held.map(({ seal }) => seal)).size, 1);
      assert.equal(held[0]?.seal?.live, some.length);
      assert.equal(store.seals.size, 1);
      const bytes = (records: readonly MeshRecord[]): string[] =>
        records.map((record) => hex(storedBytes(record, nodeCrypto))).sort();
      assert.deepEqual(bytes(held), bytes(some));
    }),
  );
});

test("a seal is forgotten with the last of its records, replaced or dropped", () => {
  const store = storeOf(together(3).map(alone));
  const [one, second, third] = [...store.bySlot.values()];
  assert.ok(one !== undefined && second !== undefined && third !== undefined);
  dropRecord(store, one);
  putRecord(store, record({ ...first, key: second.key, version: 100 }));
  assert.equal(store.seals.size, 1);
  putRecord(store, record({ ...first, key: third.key, version: 101 }));
  assert.equal(store.seals.size, 0);
});

test("own records are sealed as a chain: each parcel names the last stamp of the one before, 256 records at most", () => {
  const store = emptyStore();
  const write = (from: number, count: number): MeshRecord[] => {
    const records = Array.from({ length: count }, (_, at) =>
      draftRecord(
        { scope: "mesh", kind: "fact", key: `k${from + at}`, version: from + at, body: {} },
        authorOf(1),
        nodeCrypto,
      ),
    );
    for (const each of records) putRecord(store, each);
    sealNext(store, [...records].reverse(), true, blank, nodeCrypto);
    return records;
  };
  const chain = [...write(1, 3), ...write(4, 400)];
  const seals = [...new Set(chain.map(({ seal }) => seal))].map((seal) => [
    seal?.count,
    seal?.previous,
    seal?.last,
    seal?.live,
  ]);
  assert.deepEqual(seals, [
    [3, 0, 3, 3],
    [256, 3, 259, 256],
    [144, 259, 403, 144],
  ]);
  assert.equal(logOf(store, chain[0] ?? assert.fail("empty")).head, 403);
});

test("watchers hear of every record that comes and goes, once each", () => {
  const store = emptyStore();
  const heard: string[] = [];
  store.watchers.push((record, sign) => heard.push(`${sign > 0 ? "+" : "-"}${record.key}${record.version}`));
  putRecord(store, record(first));
  putRecord(store, record(first));
  putRecord(store, record({ ...first, version: 4 }));
  putRecord(store, record({ ...first, version: 6 }));
  const held = findRecord(store, "a", authorOf(1));
  if (held !== undefined) dropRecord(store, held);
  assert.deepEqual(heard, ["+a5", "-a5", "+a6", "-a6"]);
});

test("a tombstone takes its slot like any record and is counted", () => {
  const store = storeOf([first, { ...first, by: 2 }, { ...first, version: 6, body: undefined }].map(record));
  const held = findRecord(store, "a", authorOf(1));
  assert.ok(held !== undefined && isTombstone(held));
  assert.equal(tombstoneCount(store), 1);
  assert.equal(putRecord(store, record(first)).type, "older");
  assert.equal(recordsIn(store, "mesh").length, 2);
});
