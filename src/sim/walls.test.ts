import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Walls, type Wall } from "./walls.ts";

const host = fc.nat({ max: 6 });
const group = fc.uniqueArray(host, { minLength: 1, maxLength: 4 });

test("two hosts are parted exactly when one of the walls that stand has one of them inside and the other outside", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ group, lowered: fc.boolean() }), { maxLength: 5 }), (built) => {
      const walls = new Walls();
      const raised = built.map(({ group, lowered }) => ({ wall: walls.raise(group), lowered }));
      for (const { wall, lowered } of raised) if (lowered) walls.lower(wall);
      const standing: readonly Wall[] = raised.filter(({ lowered }) => !lowered).map(({ wall }) => wall);
      for (let one = 0; one <= 6; one++) {
        assert.equal(
          walls.around(one),
          standing.some((wall) => wall.has(one)),
        );
        for (let other = 0; other <= 6; other++) {
          const parted = standing.some((wall) => wall.has(one) !== wall.has(other));
          assert.equal(walls.part(one, other), parted, `${one} and ${other}`);
        }
      }
    }),
  );
});
