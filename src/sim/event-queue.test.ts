import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EventQueue } from "./event-queue.ts";

test("events come in the order of their moments, and of one moment in the order of scheduling, for any 3,000", () => {
  const steps = fc.array(fc.record({ at: fc.integer({ min: 0, max: 200 }), takes: fc.nat(3) }), {
    minLength: 1,
    maxLength: 3_000,
    size: "max",
  });
  fc.assert(
    fc.property(steps, (list) => {
      const queue = new EventQueue();
      const waiting: { readonly at: number; readonly order: number }[] = [];
      const taken: number[] = [];
      const expected: number[] = [];
      const take = (until: number): void => {
        queue.next(until)?.run();
        const due = waiting
          .filter(({ at }) => at <= until)
          .sort((left, right) => left.at - right.at || left.order - right.order)[0];
        if (due === undefined) return;
        waiting.splice(waiting.indexOf(due), 1);
        expected.push(due.order);
      };
      for (const [order, { at, takes }] of list.entries()) {
        queue.schedule(at, () => taken.push(order));
        waiting.push({ at, order });
        for (let left = takes; left > 1; left--) take(100);
      }
      while (queue.size > 0) take(Number.POSITIVE_INFINITY);
      assert.deepEqual(taken, expected);
    }),
    { numRuns: 20 },
  );
});
