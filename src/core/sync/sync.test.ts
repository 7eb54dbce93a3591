import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { dropRecord, putRecord, cover } from "../records/store.ts";
import { newestOf } from "../records/log.ts";
import type { MeshRecord } from "../records/record.ts";
import { decodeFrame, encodeFrame, type LogAt } from "./frames.ts";
import { createBed, idOf, mixedHash, type Entry, type Node } from "./testbed.ts";

const entry = (number: number, text = "x"): Entry => ({
  key: `node/${number}`,
  body: { number, text: text.repeat(1 + (number % 50)) },
});
const entries = (from: number, to: number, text = "x"): Entry[] =>
  Array.from({ length: to - from }, (_, at) => entry(from + at, text));

/** Gives a node what another one holds, as if they had once been in step. */
function copy(from: Node, to: Node): void {
  for (const record of from.store.bySlot.values()) putRecord(to.store, { ...record, live: false });
  for (const log of from.store.logs.values()) cover(to.store, log, 0, log.head);
}

function pair() {
  const bed = createBed();
  return { bed, a: bed.node(idOf(1)), b: bed.node(idOf(2)) };
}

test("two nodes with the same records find out in one round trip of less than 200 bytes", () => {
  const { bed, a, b } = pair();
  a.seed(entries(0, 500));
  copy(a, b);
  bed.link(a, b);
  bed.run(15);
  const { frames, bytes } = bed.spent();
  assert.equal(frames, 2);
  assert.ok(bytes < 200, `${bytes}`);
  assert.ok(a.inStep(b) && b.inStep(a));
});

test("what is written while a comparison of 500 equal records is under way crosses alone", () => {
  const { bed, a, b } = pair();
  a.seed(entries(0, 500));
  copy(a, b);
  bed.link(a, b);
  bed.run(7);
  a.write([entry(501)]);
  bed.run(1_000);
  assert.equal(b.received, 1);
  assert.equal(a.digest(), b.digest());
  assert.ok(a.inStep(b) && b.inStep(a));
});

test("a node that holds all 500 records of a peer, and knows of none that there is no gap before it, is told once within a minute", () => {
  const { bed, a, b } = pair();
  a.seed(entries(0, 500));
  for (const record of a.store.bySlot.values()) putRecord(b.store, { ...record, live: false });
  const heads = (node: Node): number[] => [...node.store.logs.values()].map(({ head }) => head);
  assert.deepEqual(heads(b), [0]);
  bed.link(a, b);
  bed.run(60_000);
  assert.deepEqual(heads(b), heads(a));
  assert.equal(b.received, 500);
  bed.run(300_000);
  assert.equal(b.received, 500);
});

test("one exchange serves both sides, and nothing crosses twice", () => {
  const { bed, a, b } = pair();
  a.seed(entries(0, 1000));
  copy(a, b);
  a.seed(entries(0, 30, "a"));
  b.seed(entries(2000, 2040, "b"));
  bed.link(a, b);
  bed.run(200);
  assert.equal(a.digest(), b.digest());
  assert.equal(a.received, 40);
  assert.equal(b.received, 30);
  assert.ok(a.inStep(b) && b.inStep(a));
});

test("a fresh node gets everything once, in windows, whatever the size", () => {
  const { bed, a, b } = pair();
  a.seed(Array.from({ length: 9000 }, (_, at) => ({ key: `k/${at}`, body: "y".repeat(400) })));
  bed.link(a, b);
  bed.run(2_000);
  assert.equal(a.digest(), b.digest());
  assert.equal(b.received, 9000);
  const { frames } = bed.spent();
  assert.ok(frames < 60, `${frames}`);
});

test("an exchange that was cut goes on where it ended", () => {
  const { bed, a, b } = pair();
  a.seed(Array.from({ length: 9000 }, (_, at) => ({ key: `k/${at}`, body: "y".repeat(400) })));
  bed.link(a, b);
  bed.run(22);
  bed.cut(a, b);
  const before = b.received;
  assert.ok(before > 0 && before < 9000, `${before}`);
  bed.run(100);
  bed.link(a, b);
  bed.run(2_000);
  assert.equal(a.digest(), b.digest());
  assert.ok(b.received <= 9000 + 700, `${b.received}`);
});

test("the most urgent class crosses first", () => {
  const { bed, a, b } = pair();
  a.seed(entries(0, 50));
  a.seed([{ key: "intent/x", body: 1 }], { kind: "intent" });
  a.seed([{ key: "roster/x", body: 1 }], { kind: "roster" });
  const order: string[] = [];
  bed.link(a, b);
  b.store.watchers.push((record, sign) => void (sign > 0 && order.push(record.kind)));
  bed.run(100);
  assert.deepEqual(order.slice(0, 3), ["roster", "intent", "fact"]);
});

test("what is new is pushed to all, about once to each, in a mesh of 30 nodes with 4 links each", () => {
  const bed = createBed();
  const nodes = Array.from({ length: 30 }, (_, at) => bed.node(idOf(at + 1)));
  nodes.forEach((node, at) => {
    for (const step of [1, 7]) {
      const peer = nodes[(at + step) % nodes.length];
      if (peer !== undefined) bed.link(node, peer);
    }
  });
  bed.run(1_000);
  // The first writes shape the tree.
  for (let round = 0; round < 5; round++) {
    nodes[round]?.write([entry(round, "w")]);
    bed.run(1_000);
  }
  for (const node of nodes) node.received = 0;
  for (let round = 0; round < 20; round++) {
    nodes[(round * 11) % 30]?.write([entry(100 + round, "v")]);
    bed.run(500);
  }
  bed.run(2_000);
  assert.equal(new Set(nodes.map((node) => node.digest())).size, 1);
  const copies = nodes.reduce((sum, { received }) => sum + received, 0) / (20 * 29);
  assert.ok(copies <= 1.3, `${copies} copies of each record per node`);
});

test("of a fact that 3 of 4 peers have from its author 8 announcements are sent at most, not one each way for every pair", () => {
  const bed = createBed();
  bed.knowsLinks = true;
  const nodes = Array.from({ length: 5 }, (_, at) => bed.node(idOf(at + 1)));
  bed.linkAll(nodes);
  bed.run(1_000);
  bed.spent();
  const [author, lacking] = nodes;
  bed.drop = (from, to, bytes) => bytes[0] === 4 && from === author && to === lacking;
  author?.write([entry(1)]);
  bed.run(20);
  bed.drop = () => false;
  bed.run(3_000);
  assert.equal(new Set(nodes.map((node) => node.digest())).size, 1);
  const haves = bed.spent().log.filter((line) => line.split(" ")[1] === "5");
  assert.ok(haves.length <= 8, `${haves.length} announcements`);
});

test("what people write is announced 100 to 200 ms after it came where it was not pushed, and by one end of most pairs", () => {
  const bed = createBed();
  const nodes = Array.from({ length: 12 }, (_, at) => bed.node(idOf(at + 1)));
  bed.linkAll(nodes);
  const announcements = (): number => bed.spent().log.filter((line) => line.split(" ")[1] === "5").length;
  const write = (round: number): void => {
    nodes[0]?.write([entry(round)], { kind: "intent" });
  };
  bed.run(1_000);
  for (let round = 0; round < 5; round++) {
    write(round);
    bed.run(1_000);
  }
  bed.spent();
  const told = { early: 0, soon: 0, late: 0 };
  for (let round = 5; round < 15; round++) {
    write(round);
    bed.run(95);
    told.early += announcements();
    bed.run(155);
    told.soon += announcements();
    bed.run(750);
    told.late += announcements();
  }
  const pairs = (11 * 10) / 2;
  assert.equal(told.early, 0);
  assert.ok(told.soon >= 10 * 0.7 * pairs && told.soon <= 10 * 1.3 * pairs, `${told.soon} announcements`);
  assert.equal(told.late, 0);
});

test("a push that is lost is asked for, and does not wait for the next comparison", () => {
  const { bed, a, b } = pair();
  bed.link(a, b);
  bed.run(300);
  bed.drop = (_from, _to, bytes) => bytes[0] === 4;
  a.write([entry(1)]);
  bed.run(50);
  bed.drop = () => false;
  a.write([entry(2)]);
  bed.run(600);
  assert.equal(a.digest(), b.digest());
});

test("where logs agree and records do not, the sketch finds the difference", () => {
  const { bed, a, b } = pair();
  const records = a.seed(entries(0, 3000));
  copy(a, b);
  for (const at of [5, 700, 2999]) {
    const lost = [...b.store.bySlot.values()].find(({ key }) => key === records[at]?.key);
    if (lost !== undefined) dropRecord(b.store, lost);
  }
  bed.link(a, b);
  bed.run(500);
  assert.equal(a.digest(), b.digest());
  assert.equal(b.received, 3);
  const { bytes } = bed.spent();
  assert.ok(bytes < 6_000, `${bytes}`);
});

test("a log that one end never takes as known does not keep the sketch from what else is missing, for 6 kB more", () => {
  const { bed, a, b } = pair();
  const records = a.seed(entries(0, 500));
  copy(a, b);
  const lost = [...b.store.bySlot.values()].find(({ key }) => key === records[5]?.key);
  assert(lost !== undefined);
  dropRecord(b.store, lost);
  // All that this author wrote was replaced by others since; b is not told who it is.
  cover(a.store, { scope: "mesh", kind: "fact", author: idOf(99) }, 0, 10);
  bed.link(a, b);
  bed.run(15_000);
  assert.equal(a.digest(), b.digest());
  assert.equal(b.received, 1);
  const { bytes } = bed.spent();
  assert.ok(bytes < 6_000, `${bytes}`);
});

test("with a thousand authors the sketch is tried first: 20 changes cost less than a list of the logs", () => {
  const { bed, a, b } = pair();
  const authors = Array.from({ length: 1000 }, (_, at) => bed.node(idOf(1000 + at)));
  for (const author of authors) for (const record of author.seed([entry(0)])) hold(record, [a, b]);
  for (const author of authors.slice(0, 20))
    for (const record of author.seed([entry(0, "n")])) hold(record, [a]);
  bed.link(a, b);
  bed.run(500);
  assert.equal(a.digest(), b.digest());
  assert.equal(b.received, 20);
  const { bytes } = bed.spent();
  assert.ok(bytes < 8_000, `${bytes}`);
});

test("with a thousand authors and everything changed, the list of logs takes over", () => {
  const { bed, a, b } = pair();
  const authors = Array.from({ length: 1000 }, (_, at) => bed.node(idOf(1000 + at)));
  for (const author of authors) for (const record of author.seed([entry(0)])) hold(record, [a, b]);
  for (const author of authors) for (const record of author.seed([entry(0, "n")])) hold(record, [a]);
  bed.link(a, b);
  bed.run(2_000);
  assert.equal(a.digest(), b.digest());
});

test("records of a scope that the peer does not keep stay here", () => {
  const bed = createBed();
  const a = bed.node(idOf(1), { site: "oslo", region: "north" });
  const b = bed.node(idOf(2), { site: "bern", region: "north" });
  a.seed([entry(1)], { scope: "site:oslo" });
  a.seed([entry(2)], { scope: "region:north" });
  a.seed([entry(3)]);
  bed.link(a, b);
  bed.run(200);
  a.write([entry(4)], { scope: "site:oslo" });
  bed.run(200);
  assert.deepEqual([...b.store.bySlot.values()].map(({ scope }) => scope).sort(), ["mesh", "region:north"]);
});

test("any history of writes, cuts and lost frames on a line of nodes ends with equal stores", () => {
  const action = fc.oneof(
    fc.record({ type: fc.constant("write" as const), node: fc.nat(3), key: fc.nat(12), count: fc.nat(3) }),
    fc.record({ type: fc.constant("cut" as const), link: fc.nat(2) }),
    fc.record({ type: fc.constant("lose" as const), share: fc.nat(3) }),
    fc.record({ type: fc.constant("forget" as const), node: fc.nat(3), key: fc.nat(12) }),
    fc.record({ type: fc.constant("wait" as const), ms: fc.nat(400) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const bed = createBed();
      const nodes = [1, 2, 3, 4].map((number) => bed.node(idOf(number)));
      const at = (index: number): Node => nodes[index] as Node;
      for (let link = 0; link < 3; link++) bed.link(at(link), at(link + 1));
      let number = 0;
      for (const each of actions) {
        if (each.type === "write") {
          at(each.node).write(
            Array.from({ length: 1 + each.count }, (_, more) => ({
              key: `k/${(each.key + more) % 13}`,
              body: ++number,
            })),
          );
        } else if (each.type === "cut") {
          bed.cut(at(each.link), at(each.link + 1));
          bed.run(30);
          bed.link(at(each.link), at(each.link + 1));
        } else if (each.type === "lose") {
          bed.drop = (_from, _to, bytes) => bytes[0] === 4 && number % (each.share + 1) === 0;
        } else if (each.type === "forget") {
          const held = [...at(each.node).store.bySlot.values()].find(
            ({ key, author }) => key === `k/${each.key}` && author !== at(each.node).id,
          );
          if (held !== undefined) dropRecord(at(each.node).store, held);
        } else bed.run(each.ms);
      }
      bed.drop = () => false;
      bed.run(120_000);
      assert.equal(new Set(nodes.map((node) => node.digest())).size, 1);
      assert.deepEqual(
        nodes.flatMap(({ errors }) => errors),
        [],
      );
    }),
    { numRuns: 150 },
  );
});

function hold(record: MeshRecord, nodes: readonly Node[]): void {
  for (const { store } of nodes) {
    putRecord(store, { ...record, live: false });
    const log = store.logs.get(`${record.scope} ${record.kind} ${record.author}`);
    if (log !== undefined) cover(store, log, 0, newestOf(log));
  }
}

test("a peer that offers logs without end, which nobody writes, is asked for 20,000 of them at most", () => {
  const { bed, a, b } = pair();
  bed.link(a, b);
  bed.run(50);
  const crypto = { sha256: mixedHash };
  let asked = 0;
  for (let frame = 0; frame < 3; frame++) {
    const logs = Array.from({ length: 12_000 }, (_, at): LogAt => {
      return { scope: "mesh", kind: "fact", author: idOf(1_000 + 12_000 * frame + at), at: 5 };
    });
    for (const effect of b.inject(a, encodeFrame({ type: "offer", logs }, crypto))) {
      const said = effect.type === "send" ? decodeFrame(effect.bytes, crypto) : undefined;
      if (said?.type === "wants") asked += said.logs.length;
    }
  }
  assert.equal(asked, 20_000);
  assert.deepEqual(b.errors, []);
  assert.equal(b.store.logs.size, 0);
});

test("on a metered link intents are pushed at once, and facts cross with the next comparison, which is rarer", () => {
  const bed = createBed();
  bed.linkClass = "satellite";
  const a = bed.node(idOf(1));
  const b = bed.node(idOf(2));
  bed.link(a, b);
  bed.run(300);
  a.write([{ key: "intent/x", body: 1 }], { kind: "intent" });
  a.write([entry(1)]);
  bed.run(1_000);
  assert.deepEqual(
    [...b.store.bySlot.values()].map(({ key }) => key),
    ["intent/x"],
  );
  bed.spent();
  bed.run(100_000);
  assert.equal(bed.spent().frames, 0);
  bed.run(160_000);
  assert.equal(a.digest(), b.digest());
});

test("where all are linked with all, a record takes one hop and crosses once to each, however many write at once", () => {
  const bed = createBed();
  bed.knowsLinks = true;
  const nodes = Array.from({ length: 6 }, (_, at) => bed.node(idOf(at + 1)));
  bed.linkAll(nodes);
  bed.run(1_000);
  for (const node of nodes) node.received = 0;
  for (let round = 0; round < 30; round++) {
    for (const node of nodes) node.write([entry(round, node.id)]);
    bed.run(6);
    assert.equal(new Set(nodes.map((node) => node.digest())).size, 1, `round ${round}`);
  }
  assert.ok(nodes.every(({ received }) => received === 30 * 5));
});
