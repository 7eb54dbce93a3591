import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ringNeighbours } from "./expander.ts";

const namesOf = (count: number, salt = 0): string[] =>
  Array.from({ length: count }, (_, at) => `site-${salt}-${at}`);

const graphOf = (names: readonly string[], rings: number): ReadonlyMap<string, ReadonlySet<string>> =>
  new Map(names.map((name) => [name, ringNeighbours(name, names, rings)]));

const size = fc.integer({ min: 1, max: 120 });
const rings = fc.integer({ min: 1, max: 6 });
const salt = fc.nat(1_000);

/** How many links the farthest name is away from the first; undefined when one cannot be reached. */
function depthOf(graph: ReadonlyMap<string, ReadonlySet<string>>): number | undefined {
  const [first] = graph.keys();
  const seen = new Set(first === undefined ? [] : [first]);
  let frontier = [...seen];
  let depth = 0;
  for (; seen.size < graph.size; depth++) {
    const next = frontier.flatMap((name) => [...(graph.get(name) ?? [])].filter((near) => !seen.has(near)));
    if (next.length === 0) return undefined;
    for (const name of next) seen.add(name);
    frontier = [...new Set(next)];
  }
  return depth;
}

test("being neighbours is mutual and nobody is its own, for any number of names and circles", () => {
  fc.assert(
    fc.property(size, rings, salt, (size, rings, salt) => {
      const graph = graphOf(namesOf(size, salt), rings);
      for (const [name, near] of graph) {
        assert.ok(!near.has(name));
        for (const other of near) assert.ok(graph.get(other)?.has(name), `${name} and ${other}`);
      }
    }),
  );
});

test("nobody has more than two neighbours a circle, and everybody at least one", () => {
  fc.assert(
    fc.property(size, rings, salt, (size, rings, salt) => {
      for (const near of graphOf(namesOf(size, salt), rings).values()) {
        assert.ok(near.size <= 2 * rings);
        assert.ok(near.size >= Math.min(1, size - 1));
      }
    }),
  );
});

test("every name reaches every other, for any number of names and one circle or more", () => {
  fc.assert(
    fc.property(size, rings, salt, (size, rings, salt) => {
      assert.ok(depthOf(graphOf(namesOf(size, salt), rings)) !== undefined);
    }),
  );
});

test("2,000 names in 3 circles are at most 7 links apart", () => {
  const depth = depthOf(graphOf(namesOf(2_000), 3));
  assert.ok(depth !== undefined && depth <= 7, String(depth));
});

test("a name that comes changes at most 2 neighbours a circle for it, and one pair a circle elsewhere", () => {
  fc.assert(
    fc.property(fc.integer({ min: 15, max: 100 }), salt, (size, salt) => {
      const names = namesOf(size, salt);
      const before = graphOf(names, 3);
      const after = graphOf([...names, "newcomer"], 3);
      let lost = 0;
      let won = 0;
      for (const name of names) {
        const [was, is] = [before.get(name) ?? new Set<string>(), after.get(name) ?? new Set<string>()];
        lost += [...was].filter((other) => !is.has(other)).length;
        won += [...is].filter((other) => other !== "newcomer" && !was.has(other)).length;
      }
      assert.ok(lost <= 2 * 3, `${lost} ends of links lost`);
      assert.equal(won, 0);
    }),
  );
});

test("the order of the names, and names given twice, do not matter", () => {
  fc.assert(
    fc.property(size, salt, (size, salt) => {
      const names = namesOf(size, salt);
      const [self = ""] = names;
      const twice = [...names, ...names].reverse();
      assert.deepEqual(
        [...ringNeighbours(self, twice, 3)].sort(),
        [...ringNeighbours(self, names, 3)].sort(),
      );
    }),
  );
});

test("where any part of the names is lost to the others, up to three of four, these still reach each other in 3 circles", () => {
  fc.assert(
    fc.property(size, salt, fc.integer({ min: 1, max: 100 }), (size, salt, share) => {
      const names = namesOf(size, salt);
      const lost = new Set(names.filter((_, at) => (at * 37) % 100 < Math.min(75, share)));
      const left = names.filter((name) => !lost.has(name));
      const graph = new Map(
        left.map((name) => {
          const near = ringNeighbours(name, names, 3, (other) => lost.has(other));
          return [name, new Set([...near].filter((other) => !lost.has(other)))] as const;
        }),
      );
      assert.ok(left.length === 0 || depthOf(graph) !== undefined);
    }),
  );
});
