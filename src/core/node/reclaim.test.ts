import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { firstToGo, type Tenant } from "./reclaim.ts";

const mebi = 2 ** 20;
const tenant = (uid: string, used: number, request: number, priority = 0): Tenant => ({
  uid,
  usedBytes: used * mebi,
  requestBytes: request * mebi,
  priority,
});

/** All of them, in the order in which they go. */
function order(tenants: readonly Tenant[]): string[] {
  const first = firstToGo(tenants, mebi);
  return first === undefined ? [] : [first.uid, ...order(tenants.filter(({ uid }) => uid !== first.uid))];
}

test("pods above their request go first, even of higher priority", () => {
  assert.deepEqual(order([tenant("modest", 900, 1000), tenant("greedy", 20, 10, 1000)]), [
    "greedy",
    "modest",
  ]);
});

test("of pods above their request the lower priority goes first, then the larger excess, then the smaller uid", () => {
  const tenants = [
    tenant("b", 300, 100),
    tenant("a", 300, 100),
    tenant("most", 500, 100),
    tenant("dear", 900, 0, 10),
    tenant("cheap", 101, 100, -5),
  ];
  assert.deepEqual(order(tenants), ["cheap", "most", "a", "b", "dear"]);
});

test("a pod without a request is above it, and one exactly at its request is not", () => {
  assert.deepEqual(order([tenant("exact", 100, 100), tenant("bare", 2, 0)]), ["bare", "exact"]);
});

test("pods of the system's classes and pods that use less than is worth it are let be", () => {
  assert.equal(firstToGo([tenant("system", 900, 0, 2_000_000_000)], mebi), undefined);
  assert.equal(firstToGo([tenant("tiny", 3, 0)], 4 * mebi), undefined);
  assert.equal(firstToGo([tenant("worth", 4, 0)], 4 * mebi)?.uid, "worth");
});

test("whoever goes first, none of the others is above its request with a lower priority, in any order of asking", () => {
  const some = fc.array(
    fc.record({ used: fc.nat(50), request: fc.nat(50), priority: fc.integer({ min: -3, max: 3 }) }),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(
    fc.property(some, (drawn) => {
      const tenants = drawn.map(({ used, request, priority }, at) =>
        tenant(`p${at}`, used, request, priority),
      );
      const first = firstToGo(tenants, 0);
      assert.deepEqual(firstToGo([...tenants].reverse(), 0), first);
      const above = tenants.filter(({ usedBytes, requestBytes }) => usedBytes > requestBytes);
      if (above.length === 0) return;
      assert.ok(first !== undefined && above.includes(first));
      assert.equal(first.priority, Math.min(...above.map(({ priority }) => priority)));
    }),
  );
});
