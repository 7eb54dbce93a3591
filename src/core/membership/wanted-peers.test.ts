import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Peer } from "./contract.ts";
import { allPairsMax, wantedPeers } from "./wanted-peers.ts";

type Mesh = readonly Peer[];

/** `sizes[n]` members in site `s<n>`. */
const meshOf = (sizes: readonly number[]): Mesh =>
  sizes.flatMap((size, site) =>
    Array.from({ length: size }, (_, at) => ({
      id: `${site}-${at}`,
      name: `n${at}`,
      site: `s${site}`,
      region: `r${site % 2}`,
      addresses: [],
      pace: 1,
    })),
  );

function wantedBy(mesh: Mesh, self: Peer): ReadonlySet<string> {
  return wantedPeers(
    self.id,
    self,
    mesh.filter((peer) => peer !== self),
  );
}

const wantedByAll = (mesh: Mesh): ReadonlyMap<string, ReadonlySet<string>> =>
  new Map(mesh.map((self) => [self.id, wantedBy(mesh, self)]));

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 });

test("up to 32 members everybody wants everybody, and from 33 on no longer", () => {
  assert.equal(allPairsMax, 32);
  const small = meshOf([8, 8, 8, 8]);
  for (const wanted of wantedByAll(small).values()) assert.equal(wanted.size, 31);
  const large = meshOf([9, 8, 8, 8]);
  for (const wanted of wantedByAll(large).values()) assert.ok(wanted.size < 32);
});

test("wanting is mutual, and nobody wants itself or a stranger, for any mesh", () => {
  fc.assert(
    fc.property(sizes, (sizes) => {
      const wanted = wantedByAll(meshOf(sizes));
      for (const [one, others] of wanted) {
        assert.ok(!others.has(one));
        for (const other of others) assert.ok(wanted.get(other)?.has(one) === true, `${one} and ${other}`);
      }
    }),
  );
});

test("everybody wants all of its own site, for any mesh", () => {
  fc.assert(
    fc.property(sizes, (sizes) => {
      const mesh = meshOf(sizes);
      for (const self of mesh) {
        const wanted = wantedBy(mesh, self);
        const site = mesh.filter((peer) => peer !== self && peer.site === self.site);
        assert.ok(site.every(({ id }) => wanted.has(id)));
      }
    }),
  );
});

test("in a large mesh any two sites are joined by 1 or 2 links, so all is connected", () => {
  fc.assert(
    fc.property(sizes, (sizes) => {
      const mesh = meshOf([20, 13, ...sizes]);
      const wanted = wantedByAll(mesh);
      const siteOf = new Map(mesh.map(({ id, site }) => [id, site] as const));
      const joins = new Map<string, number>();
      for (const [one, others] of wanted) {
        for (const other of others) {
          if (siteOf.get(one) === siteOf.get(other)) continue;
          const sites = `${siteOf.get(one)} ${siteOf.get(other)}`;
          joins.set(sites, (joins.get(sites) ?? 0) + 1);
        }
      }
      const count = sizes.length + 2;
      assert.equal(joins.size, count * (count - 1));
      for (const [sites, links] of joins) assert.ok(links >= 1 && links <= 2, `${sites}: ${links}`);
    }),
  );
});

test("two sites with 2 or more members each are joined by 2 links that share no member", () => {
  const mesh = meshOf([20, 20]);
  const crossing = [...wantedByAll(mesh)].flatMap(([one, others]) =>
    [...others]
      .filter((other) => one.startsWith("0-") && other.startsWith("1-"))
      .map((other) => [one, other]),
  );
  assert.equal(crossing.length, 2);
  assert.equal(new Set(crossing.flat()).size, 4);
});

test("the order of the roster does not matter", () => {
  fc.assert(
    fc.property(sizes, (sizes) => {
      const mesh = meshOf([33, ...sizes]);
      for (const self of mesh.slice(0, 40)) {
        assert.deepEqual([...wantedBy(mesh.toReversed(), self)].sort(), [...wantedBy(mesh, self)].sort());
      }
    }),
    { numRuns: 20 },
  );
});

test("a member that joins one site does not move the links between two others", () => {
  const before = wantedByAll(meshOf([15, 15, 5]));
  const after = wantedByAll(meshOf([15, 15, 6]));
  const between = (wanted: ReadonlySet<string> | undefined): string[] =>
    [...(wanted ?? [])].filter((id) => !id.startsWith("2-")).sort();
  for (const [id, wanted] of before) {
    if (!id.startsWith("2-")) assert.deepEqual(between(after.get(id)), between(wanted));
  }
});
