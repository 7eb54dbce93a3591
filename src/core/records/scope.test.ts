import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  isScope,
  isWithin,
  keeps,
  outerRegion,
  regionsAround,
  scopeAround,
  scopesOf,
  type Scope,
} from "./scope.ts";

const part = fc.stringMatching(/^[a-z0-9](-?[a-z0-9]){0,3}$/);
const region = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("."));

test("a region that stands in two others is around itself and in both, outermost first", () => {
  assert.deepEqual(regionsAround("eu.de.south"), ["eu", "eu.de", "eu.de.south"]);
  assert.deepEqual(regionsAround("north"), ["north"]);
  assert.equal(outerRegion("eu.de.south"), "eu.de");
  assert.equal(outerRegion("eu"), undefined);
});

test("a region stands in another by whole parts of its name: eu.de in eu, and europe not", () => {
  assert.ok(isWithin("eu.de", "eu") && isWithin("eu", "eu"));
  assert.ok(!isWithin("europe", "eu") && !isWithin("eu", "eu.de") && !isWithin("eu.de", "eu.d"));
});

test("a node keeps the mesh, its site and every region around it, and none beside or within those", () => {
  const place = { site: "bonn", region: "eu.de" };
  assert.deepEqual(scopesOf(place), ["mesh", "region:eu", "region:eu.de", "site:bonn"]);
  for (const kept of scopesOf(place)) assert.ok(keeps(place, kept), kept);
  for (const other of ["region:eu.fr", "region:eu.de.south", "region:e", "region:eu.d", "site:eu"] as const)
    assert.ok(!keeps(place, other), other);
});

test("what is kept is what is listed, and two nodes share the scopes around both", () => {
  fc.assert(
    fc.property(region, region, (one, other) => {
      const [here, there] = [
        { site: "a", region: one },
        { site: "b", region: other },
      ];
      const all: Scope[] = [...scopesOf(here), ...scopesOf(there)];
      assert.ok(all.every(isScope));
      for (const scope of all) {
        assert.equal(keeps(here, scope), scopesOf(here).includes(scope));
        if (keeps(here, scope) && keeps(there, scope) && scope !== "mesh")
          assert.ok(isWithin(one, scope.slice(7)) && isWithin(other, scope.slice(7)));
      }
    }),
  );
});

test("what is said of a region is for those who know its neighbours: it and all that stand beside it keep it", () => {
  assert.equal(scopeAround("eu"), "mesh");
  assert.equal(scopeAround("eu.de"), "region:eu");
  fc.assert(
    fc.property(region, part, (name, beside) => {
      const neighbour = [outerRegion(name), beside].filter((each) => each !== undefined).join(".");
      for (const place of [name, neighbour])
        assert.ok(keeps({ site: "a", region: place }, scopeAround(name)));
    }),
  );
});
