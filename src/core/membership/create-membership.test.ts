import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { config, Testbed } from "./testbed.ts";

const seed = fc.nat();
const latency = fc.integer({ min: 1, max: 80 });
const settle = 8_000;

function settled(count: number, seed = 1, latency = 5): Testbed {
  const bed = new Testbed(count, seed, latency);
  bed.run(settle);
  return bed;
}

const pairs = (count: number): (readonly [number, number])[] =>
  Array.from({ length: count * count }, (_, at) => [Math.floor(at / count), at % count] as const).filter(
    ([one, other]) => one !== other,
  );

const verdicts = (bed: Testbed): string[] =>
  pairs(bed.nodes.length).map(([by, of]) => `${by}:${of} ${bed.verdict(by, of)}`);
const changes = (bed: Testbed, to: string): string[] =>
  bed.log.flatMap(({ node, effect }) =>
    effect.type === "verdict-changed" && effect.to === to ? [`${node}:${Number(effect.peer)}`] : [],
  );

test("two members that dial each other at once use one and the same link within 8 s, at any latency", () => {
  fc.assert(
    fc.property(seed, latency, (seed, latency) => {
      const bed = settled(2, seed, latency);
      assert.ok(bed.link(0, 1) !== undefined);
      assert.equal(bed.link(0, 1), bed.link(1, 0));
      assert.deepEqual(verdicts(bed), ["0:1 alive", "1:0 alive"]);
    }),
    { numRuns: 40 },
  );
});

test("4 members end with exactly one link in use per pair, and do not change it while nothing happens", () => {
  const bed = settled(4);
  const before = pairs(4).map(([by, of]) => bed.link(by, of));
  const ups = bed.log.filter(({ effect }) => effect.type === "peer-up").length;
  for (const [by, of] of pairs(4)) assert.equal(bed.link(by, of), bed.link(of, by));
  bed.run(60_000);
  assert.deepEqual(
    pairs(4).map(([by, of]) => bed.link(by, of)),
    before,
  );
  assert.equal(bed.log.filter(({ effect }) => effect.type === "peer-up").length, ups);
});

test("a member measures the round trip: 80 ms at a latency of 40 ms", () => {
  const bed = settled(2, 1, 40);
  assert.equal(bed.nodes[0]?.machine.evidence(bed.nodes[0].machine.linked()[0] ?? "")?.roundTrip, 80);
});

test("the same seed gives the same trace, and another seed another", () => {
  const trace = (seed: number): string =>
    JSON.stringify(settled(3, seed).log.map(({ at, node }) => [at, node]));
  assert.equal(trace(5), trace(5));
  assert.notEqual(trace(5), trace(6));
});

test("a killed process is dead to everybody within 2 s: closed sockets and a refused dial are the evidence", () => {
  const bed = settled(4);
  bed.kill(3);
  bed.run(2_000);
  for (const by of [0, 1, 2]) {
    assert.equal(bed.verdict(by, 3), "dead");
    const reasons = bed.nodes[by]?.machine.evidence("3".padStart(20, "0"))?.observations ?? [];
    assert.ok(
      reasons.some(({ what }) => what === "its host answers that no agent listens"),
      JSON.stringify(reasons),
    );
  }
  assert.equal(bed.verdict(0, 1), "alive");
});

test("a dead member that starts again is alive to everybody within 5 s", () => {
  const bed = settled(3);
  bed.kill(2);
  bed.run(10_000);
  bed.restart(2);
  bed.run(5_000);
  assert.deepEqual(
    verdicts(bed).filter((verdict) => !verdict.endsWith("alive")),
    [],
  );
  assert.equal(bed.link(0, 2), bed.link(2, 0));
});

test("3 s of silence make a member unreachable, not sooner, and 10 minutes of it not dead", () => {
  fc.assert(
    fc.property(seed, latency, (seed, latency) => {
      const bed = settled(2, seed, latency);
      bed.cutBoth(0, 1);
      bed.run(config.silentAfter - 1_300 - latency);
      assert.deepEqual(verdicts(bed), ["0:1 alive", "1:0 alive"]);
      bed.run(config.silentAfter);
      assert.deepEqual(verdicts(bed), ["0:1 unreachable", "1:0 unreachable"]);
      bed.run(600_000);
      assert.deepEqual(verdicts(bed), ["0:1 unreachable", "1:0 unreachable"]);
    }),
    { numRuns: 20 },
  );
});

test("a process that dies behind a cut stays unreachable, also when a dial is refused after the heal", () => {
  const bed = settled(2);
  bed.cutBoth(0, 1);
  bed.run(10_000);
  bed.kill(1);
  bed.run(10_000);
  assert.equal(bed.verdict(0, 1), "unreachable");
  bed.healAll();
  bed.run(10_000);
  assert.equal(bed.verdict(0, 1), "unreachable");
});

test("a process that dies behind a short cut is dead once the word of its kernel comes through", () => {
  const bed = settled(2);
  bed.cutBoth(0, 1);
  bed.kill(1);
  bed.run(1_000);
  assert.equal(bed.verdict(0, 1), "alive");
  bed.healAll();
  bed.run(2_000);
  assert.equal(bed.verdict(0, 1), "dead");
});

test("a member that one node cannot reach is alive to it as long as another node has a link with it", () => {
  const bed = settled(3);
  bed.cutBoth(0, 2);
  bed.run(10_000);
  assert.equal(bed.link(0, 2), undefined);
  assert.equal(bed.verdict(0, 2), "alive");
  const [first] = bed.nodes[0]?.machine.evidence("2".padStart(20, "0"))?.observations ?? [];
  assert.equal(first?.what, "says it has a link to it");
  assert.equal(Number(first?.by), 1);
  bed.cutBoth(1, 2);
  bed.run(10_000);
  assert.equal(bed.verdict(0, 2), "unreachable");
  assert.equal(bed.verdict(2, 0), "unreachable");
  assert.equal(bed.verdict(0, 1), "alive");
});

test("a chain of observers counts: 0 - 1 - 2 - 3 all hold each other alive", () => {
  const bed = settled(4);
  bed.cutBoth(0, 2);
  bed.cutBoth(0, 3);
  bed.cutBoth(1, 3);
  bed.run(15_000);
  assert.deepEqual(bed.nodes[0]?.machine.linked().map(Number), [1]);
  assert.deepEqual(
    verdicts(bed).filter((verdict) => !verdict.endsWith("alive")),
    [],
  );
});

test("two islands of 2 hold each other unreachable, their own alive, and are whole 5 s after the heal", () => {
  const bed = settled(4);
  for (const one of [0, 1]) for (const other of [2, 3]) bed.cutBoth(one, other);
  bed.run(30_000);
  for (const [by, of] of pairs(4)) {
    assert.equal(bed.verdict(by, of), by < 2 === of < 2 ? "alive" : "unreachable");
  }
  bed.healAll();
  bed.run(5_000);
  for (const [by, of] of pairs(4)) {
    assert.equal(bed.verdict(by, of), "alive");
    assert.equal(bed.link(by, of), bed.link(of, by));
    assert.ok(bed.link(by, of) !== undefined);
  }
});

const cuts = fc.array(
  fc.record({
    from: fc.nat(3),
    to: fc.nat(3),
    after: fc.integer({ min: 0, max: 9_000 }),
    heals: fc.boolean(),
  }),
  { maxLength: 10 },
);

test("nobody is ever dead while all 4 processes run, however the network fails, also in one direction only", () => {
  fc.assert(
    fc.property(seed, latency, cuts, (seed, latency, cuts) => {
      const bed = settled(4, seed, latency);
      for (const { from, to, after, heals } of cuts) {
        if (heals) bed.healAll();
        bed.cut(from, to);
        bed.run(after);
      }
      assert.deepEqual(changes(bed, "dead"), []);
    }),
    { numRuns: 60 },
  );
});

test("whatever cuts and restarts came before, 12 s after the last heal all are linked and alive", () => {
  const kills = fc.option(fc.nat(3), { nil: undefined });
  fc.assert(
    fc.property(seed, latency, cuts, kills, (seed, latency, cuts, killed) => {
      const bed = settled(4, seed, latency);
      for (const { from, to, after } of cuts) {
        bed.cut(from, to);
        bed.run(after);
      }
      if (killed !== undefined) {
        bed.kill(killed);
        bed.run(500);
        bed.restart(killed);
      }
      bed.healAll();
      bed.run(12_000);
      for (const [by, of] of pairs(4)) {
        assert.equal(bed.verdict(by, of), "alive", `${by} of ${of}`);
        assert.ok(bed.link(by, of) !== undefined, `${by} to ${of}`);
        assert.equal(bed.link(by, of), bed.link(of, by));
      }
    }),
    { numRuns: 60 },
  );
});

test("a member with no way to a peer dials it again and again, at most 2 s after each failure", () => {
  const bed = settled(2);
  bed.cutBoth(0, 1);
  bed.run(60_000);
  const dials = bed.log.flatMap(({ at, node, effect }) => (effect.type === "dial" && node === 0 ? [at] : []));
  const late = dials.filter((at) => at > bed.now - 40_000);
  assert.ok(late.length >= 12, `${late.length} dials in 40 s`);
  const failedAfter = 1_005;
  for (const [at, dial] of late.entries()) {
    const gap = (late[at + 1] ?? dial + failedAfter + 75) - dial;
    assert.ok(gap >= failedAfter + 75 && gap <= failedAfter + config.redialMax, `${gap}`);
  }
});
