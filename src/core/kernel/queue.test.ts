import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { BoundedQueue } from "./queue.ts";

test("a queue gives its entries back in the order they came", () => {
  const queue = new BoundedQueue<number>(3);
  for (const item of [1, 2, 3]) queue.push(item);
  assert.deepEqual([queue.shift(), queue.shift(), queue.shift(), queue.shift()], [1, 2, 3, undefined]);
  assert.equal(queue.size, 0);
  assert.equal(queue.dropped, 0);
});

test("a queue of 3 keeps the newest 3 of 5 and counts 2 as dropped", () => {
  const queue = new BoundedQueue<number>(3);
  for (const item of [1, 2, 3, 4, 5]) queue.push(item);
  assert.deepEqual(queue.list(), [3, 4, 5]);
  assert.equal(queue.size, 3);
  assert.equal(queue.dropped, 2);
});

test("listing takes nothing out, and the list does not change with the queue", () => {
  const queue = new BoundedQueue<number>(3);
  queue.push(1);
  const listed = queue.list();
  queue.push(2);
  assert.deepEqual(listed, [1]);
  assert.equal(queue.size, 2);
});

test("a queue behaves as a plain list with a bound, through any 400 pushes and shifts", () => {
  const steps = fc.array(fc.option(fc.nat(1000), { freq: 3 }), { size: "max", maxLength: 400 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), steps, (countMax, steps) => {
      const queue = new BoundedQueue<number>(countMax);
      const model: number[] = [];
      let dropped = 0;
      for (const step of steps) {
        if (step === null) assert.equal(queue.shift(), model.shift());
        else {
          queue.push(step);
          model.push(step);
          if (model.length > countMax) {
            model.shift();
            dropped++;
          }
        }
        assert.equal(queue.size, model.length);
        assert.ok(queue.size <= countMax);
      }
      assert.deepEqual(queue.list(), model);
      assert.equal(queue.dropped, dropped);
    }),
  );
});

test("100,000 entries pass through a queue of 1,000 in order, across every compaction", () => {
  const queue = new BoundedQueue<number>(1000);
  let expected = 0;
  for (let item = 0; item < 100_000; item++) {
    queue.push(item);
    if (item % 3 !== 0) assert.equal(queue.shift(), expected++);
    if (queue.size === 1000) while (queue.size > 10) assert.equal(queue.shift(), expected++);
  }
  assert.equal(queue.dropped, 0);
});
