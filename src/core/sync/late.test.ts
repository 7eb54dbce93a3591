import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame } from "./frames.ts";
import { createBed, idOf, mixedHash, type Bed, type Node } from "./testbed.ts";

/** What a node does about news that others told of, and where everybody has news all the time. */

const crypto = { sha256: mixedHash };
const typeOf = { compare: 0, wants: 3, records: 4, have: 5 } as const;

const entry = (number: number) => ({ key: `node/${number}`, body: { number } });

/** Who was sent such a frame since the last look. */
function sent(bed: Bed, from: Node, type: keyof typeof typeOf): string[] {
  return bed.spent().log.flatMap((line) => {
    const [ends = "", kind = ""] = line.split(" ");
    const [sender, receiver = ""] = ends.split(">");
    return sender === from.id && Number(kind) === typeOf[type] ? [receiver] : [];
  });
}

function tellOfNews(
  to: Node,
  teller: Node,
  author: Node,
  at: number,
  kind: "intent" | "fact" = "intent",
): void {
  const logs = [{ scope: "mesh", kind, author: author.id, at }] as const;
  to.inject(teller, encodeFrame({ type: "have", logs }, crypto));
}

for (const [kind, patience] of [
  ["intent", 120],
  ["fact", 400],
] as const) {
  test(`news (${kind}) that 10 peers tell of are asked of one within ${patience} ms, and of each other only ${patience} ms after the one before`, () => {
    const bed = createBed();
    const node = bed.node(idOf(1));
    const author = bed.node(idOf(99));
    const tellers = Array.from({ length: 10 }, (_, at) => bed.node(idOf(at + 2)));
    for (const teller of tellers) bed.link(node, teller);
    bed.run(1_000);
    bed.spent();
    for (const teller of tellers) tellOfNews(node, teller, author, 50, kind);
    bed.run(patience / 2 - 1);
    assert.deepEqual(sent(bed, node, "wants"), []);
    bed.run(patience / 2 + 1);
    const asked = sent(bed, node, "wants");
    assert.equal(asked.length, 1, asked.join());
    bed.run(patience - 1);
    asked.push(...sent(bed, node, "wants"));
    assert.ok(asked.length <= 2, asked.join());
    bed.run(10 * patience);
    asked.push(...sent(bed, node, "wants"));
    bed.run(10_000);
    asked.push(...sent(bed, node, "wants"));
    assert.equal(new Set(asked).size, asked.length, "somebody was asked twice");
    assert.ok(asked.length >= 8, `${asked.length} of 10 were asked`);
  });
}

test("where news take 1.5 s from the first word of them to the push, only the first are asked for", () => {
  const bed = createBed();
  const node = bed.node(idOf(1));
  const author = bed.node(idOf(2));
  const teller = bed.node(idOf(3));
  bed.link(node, author);
  bed.link(node, teller);
  bed.run(1_000);
  const asked: number[] = [];
  for (let round = 0; round < 8; round++) {
    const pushes: Uint8Array[] = [];
    bed.drop = (from, to, bytes) => {
      if (from !== author || to !== node || bytes[0] !== typeOf.records) return false;
      return pushes.push(bytes) > 0;
    };
    bed.spent();
    const [record] = author.write([entry(round)]);
    bed.drop = () => false;
    tellOfNews(node, teller, author, record?.version ?? 0, "fact");
    bed.run(1_500);
    for (const bytes of pushes) node.inject(author, bytes);
    asked.push(sent(bed, node, "wants").filter((peer) => peer === teller.id).length);
    bed.run(500);
  }
  assert.deepEqual(asked.slice(1), [0, 0, 0, 0, 0, 0, 0], asked.join());
  assert.equal(asked[0], 1);
});

test("two nodes of which one has news every 10 ms are compared 5 times in 10 s, not after every answer", () => {
  const bed = createBed();
  const one = bed.node(idOf(1));
  const other = bed.node(idOf(2));
  bed.link(one, other);
  bed.run(100);
  bed.spent();
  for (let number = 0; number < 1_000; number++) {
    other.seed([entry(number)]);
    bed.run(10);
  }
  const compared = sent(bed, one, "compare").length;
  assert.ok(compared >= 2 && compared <= 7, `${compared} comparisons`);
  bed.run(12_000);
  assert.equal(one.digest(), other.digest());
});

test("in a large site no push is given up that leaves a node with fewer than three, so what one author writes finds everybody", () => {
  const bed = createBed();
  bed.largeSite = true;
  bed.knowsLinks = true;
  const nodes = Array.from({ length: 40 }, (_, at) => bed.node(idOf(at + 1)));
  nodes.forEach((node, at) => {
    for (const step of [1, 3, 7, 12]) bed.link(node, nodes[(at + step) % nodes.length] as Node);
  });
  bed.run(1_000);
  // Many authors at once shape the tree.
  for (let round = 0; round < 20; round++) {
    for (const node of nodes) node.write([entry(round)]);
    bed.run(50);
  }
  bed.run(5_000);
  for (let round = 0; round < 10; round++) {
    nodes[7 * (round % 3)]?.write([{ key: `alone/${round}`, body: 1 }]);
    bed.run(150);
    assert.equal(new Set(nodes.map((node) => node.digest())).size, 1, `round ${round}`);
    bed.run(1_000);
  }
});

test("over a spare link nothing is pushed: what nobody else brings is told of within 10 s, and asked for", () => {
  const bed = createBed();
  const one = bed.node(idOf(1));
  const other = bed.node(idOf(2));
  bed.spare.push([one.id, other.id]);
  bed.link(one, other);
  bed.run(1_000);
  // Comparisons would find it, too.
  bed.drop = (_from, _to, bytes) => bytes[0] === typeOf.compare;
  bed.spent();
  one.write([entry(1)], { kind: "intent" });
  const told = (): string[] => bed.spent().log.filter((line) => Number(line.split(" ")[1]) === typeOf.have);
  bed.run(4_900);
  assert.deepEqual(told(), []);
  assert.equal(other.received, 0);
  bed.run(5_300);
  assert.equal(told().length, 1);
  assert.equal(other.received, 1);
});

test("facts of others go on together after 20 ms, less to whoever brought them meanwhile; what people write goes on at once", () => {
  const bed = createBed();
  bed.knowsLinks = true;
  const node = bed.node(idOf(1));
  const authors = [2, 3, 4].map((at) => bed.node(idOf(at)));
  const [onward, both] = [bed.node(idOf(5)), bed.node(idOf(6))] as const;
  for (const peer of [...authors, onward, both]) bed.link(node, peer);
  bed.run(1_000);
  bed.spent();
  const pushed: Uint8Array[] = [];
  bed.drop = (from, _, bytes) => {
    if (authors.includes(from) && bytes[0] === typeOf.records) pushed.push(bytes);
    return false;
  };
  authors.forEach((author, at) => {
    author.write([entry(at)]);
    bed.run(4);
  });
  bed.run(3);
  for (const bytes of pushed) node.inject(both, bytes);
  bed.run(40);
  assert.deepEqual(
    sent(bed, node, "records").filter((to) => to === onward.id || to === both.id),
    [onward.id],
  );
  assert.equal(onward.received, 3);
  authors[0]?.write([{ key: "intent", body: 1 }], { kind: "intent" });
  bed.run(10);
  assert.equal(onward.received, 4);
});
