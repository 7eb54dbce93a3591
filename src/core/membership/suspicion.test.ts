import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { NodeId } from "../records/record.ts";
import { config, idOf, Testbed } from "./testbed.ts";

const seed = fc.nat();
const settle = 8_000;

function settled(count: number, seed = 1): Testbed {
  const bed = new Testbed(count, seed, 5);
  bed.run(settle);
  return bed;
}

const others = (bed: Testbed, than: number): number[] =>
  bed.nodes.map(({ at }) => at).filter((at) => at !== than);

const changes = (bed: Testbed, to: string): string[] =>
  bed.log.flatMap(({ node, effect }) =>
    effect.type === "verdict-changed" && effect.to === to ? [`${node}:${Number(effect.peer)}`] : [],
  );

const isolate = (bed: Testbed, at: number): void => {
  for (const other of others(bed, at)) bed.cutBoth(at, other);
};

const observationsOf = (bed: Testbed, by: number, of: number) =>
  bed.nodes[by]?.machine.evidence(idOf(of))?.observations ?? [];

/** A beat of 1.2 s at most, 0.3 s of patience, twice 0.45 s for answers, once more for the last to ask. */
const lostByAllWithin = 1_200 + 300 + 4 * 450;

test("a machine that falls silent is unreachable, never dead, to all 4 others before 3,300 ms, for any seed", () => {
  assert.equal(config.silentAfter, 3_000);
  fc.assert(
    fc.property(seed, (seed) => {
      const bed = settled(5, seed);
      isolate(bed, 4);
      bed.run(lostByAllWithin);
      for (const by of others(bed, 4)) assert.equal(bed.verdict(by, 4), "unreachable");
      bed.run(60_000);
      assert.deepEqual(changes(bed, "dead"), []);
    }),
    { numRuns: 30 },
  );
});

test("with help a silent machine is lost a second sooner than without", () => {
  const lostAfter = (count: number): number => {
    const times = Array.from({ length: 20 }, (_, seed) => {
      const bed = settled(count, seed);
      const from = bed.now;
      isolate(bed, count - 1);
      bed.run(10_000);
      const lost = bed.log.filter(
        ({ effect, at }) => effect.type === "verdict-changed" && effect.to === "unreachable" && at > from,
      );
      return Math.max(...lost.filter(({ node }) => node !== count - 1).map(({ at }) => at)) - from;
    });
    return times.sort((left, right) => left - right)[10] ?? Number.NaN;
  };
  const [alone, helped] = [lostAfter(2), lostAfter(5)];
  assert.ok(helped < alone - 500, `${helped} ms with 3 helpers, ${alone} ms without`);
});

test("one that is lost by its whole site says so; the one that lost everybody does not", () => {
  const bed = settled(4);
  isolate(bed, 3);
  bed.run(10_000);
  assert.equal(bed.nodes[0]?.machine.evidence(idOf(3))?.lostBySite, true);
  assert.equal(bed.nodes[3]?.machine.evidence(idOf(0))?.lostBySite, false, "the lonely one blames itself");
  assert.match(bed.nodes[3]?.machine.selfDoubt()[0]?.what ?? "", /all 3 peers were lost together/);
  assert.deepEqual(bed.nodes[0]?.machine.selfDoubt(), []);
});

test("in a site of two the other is lost by its site only while the interface to it runs", () => {
  for (const ownEndUp of [true, false, undefined]) {
    const pair = settled(2);
    pair.ownEndUp = ownEndUp;
    isolate(pair, 1);
    pair.run(1_200 + 300 + 2 * 450 + 1);
    if (ownEndUp === true) assert.equal(pair.verdict(0, 1), "unreachable", "nobody can be asked: sooner");
    pair.run(10_000);
    assert.equal(pair.verdict(0, 1), "unreachable");
    assert.equal(pair.nodes[0]?.machine.evidence(idOf(1))?.lostBySite, ownEndUp === true);
    pair.tell(0, { type: "dial-failed", peer: idOf(1), why: "offline", detail: "no route" });
    assert.equal(pair.nodes[0]?.machine.evidence(idOf(1))?.lostBySite, false, "its own network failed later");
  }
});

test("who is late itself does not count as in view: 2 of 5 that are cut off soon call nobody lost by its site", () => {
  for (let seed = 0; seed < 20; seed++) {
    const bed = settled(5, seed);
    for (const one of [0, 1]) for (const other of [2, 3, 4]) bed.cutBoth(one, other);
    const since = (): number[] =>
      [2, 3, 4].flatMap((of) => {
        const evidence = bed.nodes[0]?.machine.evidence(idOf(of));
        return evidence?.lostBySite === true ? [bed.now - evidence.since] : [];
      });
    for (let step = 0; step < 100; step++) {
      bed.run(100);
      const longest = Math.max(0, ...since());
      assert.ok(longest < 700, `seed ${seed}: for ${longest} ms`);
    }
  }
});

test("half of a site that is cut from the other half does not call it lost by its site", () => {
  const bed = settled(4);
  for (const one of [0, 1]) for (const other of [2, 3]) bed.cutBoth(one, other);
  bed.run(20_000);
  assert.equal(bed.verdict(0, 2), "unreachable");
  assert.equal(bed.nodes[0]?.machine.evidence(idOf(2))?.lostBySite, false);
});

test("0 - 2 cut, both see 1: nobody is unreachable, and 0 knows by whom 2 is seen", () => {
  for (const ways of [
    [[0, 2]],
    [[2, 0]],
    [
      [0, 2],
      [2, 0],
    ],
  ] as const) {
    const bed = settled(3);
    for (const [from, to] of ways) bed.cut(from, to);
    const before = bed.log.length;
    bed.run(120_000);
    const changed = bed.log.slice(before).filter(({ effect }) => effect.type === "verdict-changed");
    assert.deepEqual(changed, [], JSON.stringify(ways));
    assert.equal(bed.link(0, 2), undefined);
    const [first] = observationsOf(bed, 0, 2);
    assert.equal(first?.what, "says it has a link to it");
    assert.equal(Number(first?.by), 1);
    const told = observationsOf(bed, 0, 2).map(({ what }) => what);
    assert.ok(
      told.some(
        (what) => what === "it does not answer us, but it answers n1" || what.includes("closed link"),
      ),
    );
  }
});

test("who observed what when: every observer of a loss is named, newest first", () => {
  const bed = settled(4);
  isolate(bed, 3);
  const from = bed.now;
  bed.run(10_000);
  const observations = observationsOf(bed, 0, 3);
  const byName = (by: NodeId): number => Number.parseInt(by, 16);
  for (const other of [1, 2]) {
    const told = observations.find(({ by, what }) => byName(by) === other && what.endsWith("gone"));
    assert.ok(told !== undefined && told.at > from && told.at < from + 4_000, `n${other}`);
  }
  const ages = observations.map(({ at }) => at);
  assert.deepEqual(
    ages,
    [...ages].sort((left, right) => right - left),
  );
});

test("a killed agent that is back within 400 ms was dead to nobody; one that stays away is dead within 1 s", () => {
  fc.assert(
    fc.property(seed, fc.integer({ min: 1, max: 400 }), (seed, downMs) => {
      const bed = settled(4, seed);
      bed.kill(3);
      bed.run(downMs);
      bed.restart(3);
      bed.run(10_000);
      assert.deepEqual(changes(bed, "dead"), []);
      bed.kill(3);
      bed.run(1_000);
      assert.deepEqual(changes(bed, "dead").sort(), ["0:3", "1:3", "2:3"]);
    }),
    { numRuns: 30 },
  );
});

test("10 links beat half as often as 5: what a node sends does not grow with its site", () => {
  const beats = (count: number): number => {
    const bed = settled(count);
    const before = bed.log.length;
    bed.run(60_000);
    const sent = bed.log.slice(before).filter(({ effect, node }) => effect.type === "send" && node === 0);
    return sent.length / 60;
  };
  const [six, sixteen] = [beats(6), beats(16)];
  assert.ok(six > 4 && six < 6.5, `${six} frames a second with 5 links`);
  assert.ok(sixteen > 4 && sixteen < 6.5, `${sixteen} frames a second with 15 links`);
});

test("dials of a lost peer decay with the time apart, to one in redialMax with jitter, and never end", () => {
  const bed = settled(2);
  bed.cutBoth(0, 1);
  const from = bed.now;
  bed.run(600_000);
  const dials = bed.log.flatMap(({ at, node, effect }) =>
    effect.type === "dial" && node === 0 && at > from ? [at] : [],
  );
  const gaps = dials.slice(1).map((at, index) => at - (dials[index] ?? 0));
  const dialTakes = 1_005;
  assert.ok((gaps[0] ?? Number.NaN) < dialTakes + 2 * 150 + 1_000, `the second after ${gaps[0]} ms`);
  const late = gaps.slice(-100);
  assert.equal(late.length, 100);
  for (const gap of late) {
    assert.ok(gap >= dialTakes + config.redialMax / 2 && gap <= dialTakes + config.redialMax, `${gap}`);
  }
  assert.ok(new Set(late.map(Math.round)).size > 50, "jitter");
});
