import { createHash } from "node:crypto";
import assert from "node:assert/strict";
import { test } from "node:test";
import { dropRecord, putRecord, cover } from "../records/store.ts";
import { encodeFrame, type SyncFrame } from "./frames.ts";
import { createBed, idOf, mixedHash, type Bed, type Entry, type Node } from "./testbed.ts";

const crypto = { sha256: mixedHash };
const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();
const wide = (number: number): Entry => ({
  key: `node/${number}`,
  body: { number, text: `${number}`.repeat(100) },
});
const many = (count: number): Entry[] => Array.from({ length: count }, (_, at) => wide(at));

function metered(bytesPerSecond: number) {
  const bed = createBed();
  bed.rate = { perSecond: bytesPerSecond, burst: 8 * bytesPerSecond };
  return { bed, a: bed.node(idOf(1)), b: bed.node(idOf(2)) };
}

/** Bytes that each end sent, in steps of 100 ms. */
function measure(bed: Bed, ms: number): Map<string, number[]> {
  const bytes = new Map<string, number[]>();
  for (let at = 0; at < ms; at += 100) {
    bed.run(100);
    for (const line of bed.spent().log) {
      const [way = "", , length] = line.split(" ");
      const steps = bytes.get(way) ?? [];
      steps[at / 100] = (steps[at / 100] ?? 0) + Number(length);
      bytes.set(way, steps);
    }
  }
  return bytes;
}

/** A copy of everything, as if they had once been in step. */
function copy(from: Node, to: Node): void {
  for (const record of from.store.bySlot.values()) putRecord(to.store, { ...record, live: false });
  for (const log of from.store.logs.values()) cover(to.store, log, 0, log.head);
}

test("1 MB over a link of 10 kB a second takes its time, never more than burst and rate allow, and arrives whole", () => {
  const { bed, a, b } = metered(10_000);
  a.seed(many(3_000));
  bed.link(a, b);
  const bytes = measure(bed, 200_000);
  assert.equal(a.digest(), b.digest());
  assert.ok(b.received < 3_100, `${b.received} records for 3,000`);
  for (const [way, steps] of bytes) {
    let excess = 0;
    let worst = 0;
    for (let at = 0; at < 2_000; at++) {
      excess = Math.max(0, excess + (steps[at] ?? 0) - 1_000);
      worst = Math.max(worst, excess);
    }
    // One record and its parcel's hashes more than the burst.
    assert.ok(worst <= 80_000 + 4_000, `${way}: ${worst} above the rate`);
  }
  assert.equal(a.waiting(b), undefined);
});

test("when the link has run dry, trust and intents written last still cross before the facts that wait", () => {
  const { bed, a, b } = metered(2_000);
  bed.link(a, b);
  bed.run(500);
  a.write(many(200));
  bed.run(100);
  const order: string[] = [];
  b.store.watchers.push((record, sign) => void (sign > 0 && order.push(record.kind)));
  a.write([{ key: "intent/x", body: 1 }], { kind: "intent" });
  a.write([{ key: "roster/x", body: 1 }], { kind: "roster" });
  bed.run(20);
  assert.deepEqual(order, ["intent", "roster"]);
  assert.ok((a.waiting(b)?.logs ?? 0) > 0);
  bed.run(120_000);
  assert.equal(a.digest(), b.digest());
});

test("of a slot that was written 500 times while the link was dry, the newest record crosses, and little else", () => {
  const { bed, a, b } = metered(2_000);
  bed.link(a, b);
  bed.run(500);
  a.write(many(100));
  bed.run(10);
  b.received = 0;
  for (let round = 0; round < 500; round++) {
    a.write([{ key: "node/0", body: { round, text: "t".repeat(300) } }]);
    bed.run(10);
  }
  assert.ok((a.waiting(b)?.logs ?? 0) <= 2);
  bed.run(60_000);
  assert.equal(a.digest(), b.digest());
  assert.ok(b.received < 130, `${b.received} records`);
});

test("a peer that asks for 18,000 look-ups in 3 s gets those that 2.9 s of work buy, and its neighbour is served", () => {
  const bed = createBed();
  const [victim, hostile, honest] = [bed.node(idOf(1)), bed.node(idOf(2)), bed.node(idOf(3))];
  victim.seed(many(20_000));
  copy(victim, hostile);
  copy(victim, honest);
  bed.link(victim, hostile);
  bed.link(victim, honest);
  bed.run(1_000);
  const question: SyncFrame = { type: "items-want", scope: "mesh", items: new Uint8Array(8) };
  const bytes = encodeFrame(question, crypto);
  let answers = 0;
  for (let round = 0; round < 300; round++) {
    for (let at = 0; at < 60; at++) {
      answers += victim.inject(hostile, bytes).filter(({ type }) => type === "send").length;
    }
    if (round === 100) honest.write([{ key: "mine", body: 1 }]);
    bed.run(10);
  }
  // A look-up goes through 20,000 records: 2,000 units; 2,000,000 at once and 300,000 a second.
  assert.ok(answers > 100 && answers <= 2_900_000 / 2_000 + 16, `${answers} answers`);
  assert.equal(victim.digest(), honest.digest());
  assert.ok((victim.waiting(hostile)?.questions ?? 0) <= 16);
});

test("symbols of a sketch, comparisons and lists without end are answered at a bounded pace too", () => {
  const questions: SyncFrame[] = [
    { type: "symbols-want", scope: "mesh", from: 0, count: 4096 },
    { type: "heads-want", scope: "mesh" },
    { type: "compare", scopes: [{ scope: "mesh", hash: new Uint8Array(16) }] },
  ];
  for (const question of questions) {
    const bed = createBed();
    const [victim, hostile] = [bed.node(idOf(1)), bed.node(idOf(2))];
    victim.seed(many(500));
    for (let at = 0; at < 2_000; at++) {
      for (const record of bed.node(idOf(100 + at)).seed([wide(1)])) putRecord(victim.store, record);
    }
    bed.link(victim, hostile);
    bed.run(500);
    const bytes = encodeFrame(question, crypto);
    let answers = 0;
    for (let at = 0; at < 6_000; at++) {
      answers += victim.inject(hostile, bytes).filter(({ type }) => type === "send").length;
    }
    assert.ok(answers > 50 && answers < 3_000, `${question.type}: ${answers} answers of 6,000 at once`);
  }
});

test("a peer that answers with 80 MB of what is known is let go of; one that repeats 1 MB is not", () => {
  const bed = createBed(5, sha256);
  const [victim, peer] = [bed.node(idOf(1)), bed.node(idOf(2))];
  const records = victim.seed(many(800));
  copy(victim, peer);
  bed.link(victim, peer);
  bed.run(1_000);
  const flood = encodeFrame({ type: "records", mode: "part", records, covers: [] }, { sha256 });
  const floods = (bytes: number): void => {
    for (let sent = 0; sent < bytes; sent += flood.length) victim.inject(peer, flood);
  };
  floods(1_000_000);
  assert.deepEqual(victim.errors, []);
  // Asked for, it is read in debt as well: so the peer pretends to answer.
  const offer: SyncFrame = {
    type: "offer",
    logs: [{ scope: "mesh", kind: "intent", author: idOf(9), at: 9 }],
  };
  victim.inject(peer, encodeFrame(offer, { sha256 }));
  floods(80_000_000);
  assert.deepEqual(victim.errors, ["it costs more work than one peer may, for nothing"]);
});

test("two records whose hashes begin alike hide nothing but themselves, and end the search for ten minutes", () => {
  const clashing = (bytes: Uint8Array): Uint8Array => {
    const hash = mixedHash(bytes);
    // What a forger finds after 2^32 attempts: equal first 8 bytes, different hashes.
    if (new TextDecoder().decode(bytes).includes("forged")) hash.fill(7, 0, 8);
    return hash;
  };
  const bed = createBed(5, clashing);
  const [a, b] = [bed.node(idOf(1)), bed.node(idOf(2))];
  const lost = a.seed([
    ...many(300),
    { key: "forged/1", body: "forged one" },
    { key: "forged/2", body: "forged two" },
  ]);
  copy(a, b);
  const slotsLost = new Set(["node/5", "node/70", "node/299", "forged/1", "forged/2"]);
  for (const record of lost.filter(({ key }) => slotsLost.has(key))) {
    const held = [...b.store.bySlot.values()].find(({ key }) => key === record.key);
    if (held !== undefined) dropRecord(b.store, held);
  }
  bed.link(a, b);
  bed.run(3_000);
  const keys = new Set([...b.store.bySlot.values()].map(({ key }) => key));
  for (const key of ["node/5", "node/70", "node/299"]) assert.ok(keys.has(key), `${key} is still lost`);
  bed.spent();
  bed.run(500_000);
  const { bytes } = bed.spent();
  assert.ok(bytes < 300_000, `${bytes} bytes although nothing can be found`);
});

test("two islands of 12 that meet over 24 links let a few links carry what differs", () => {
  const bytesWith = (settled: number): number => {
    const bed = createBed(10);
    const place = (site: string) => ({ site, region: "r" });
    const north = Array.from({ length: 12 }, (_, at) => bed.node(idOf(1 + at), place("n")));
    const south = Array.from({ length: 12 }, (_, at) => bed.node(idOf(101 + at), place("s")));
    for (const island of [north, south]) {
      bed.linkAll(island);
      bed.run(500);
      island.forEach((node) => node.write(many(5)));
      bed.run(2_000);
      assert.equal(new Set(island.map((node) => node.digest())).size, 1);
    }
    bed.settled = settled;
    bed.spent();
    for (let at = 0; at < 12; at++)
      for (const more of [0, 1]) bed.link(north[at] as Node, south[(at + more) % 12] as Node);
    bed.run(14_000);
    assert.equal(new Set([...north, ...south].map((node) => node.digest())).size, 1);
    const crossing = bed.spent().log.filter(betweenIslands);
    return crossing.reduce((sum, line) => sum + Number(line.split(" ")[2]), 0);
  };
  const [all, few] = [bytesWith(1), bytesWith(12)];
  assert.ok(few < all / 2, `${few} bytes between the islands, ${all} without a pause`);
});

/** Whether a line of the log is of a frame from one island to the other. */
function betweenIslands(line: string): boolean {
  const [from = "", to = ""] = (line.split(" ")[0] ?? "").split(">");
  return Number.parseInt(from, 16) < 100 !== Number.parseInt(to, 16) < 100;
}
