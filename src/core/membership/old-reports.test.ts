import assert from "node:assert/strict";
import { test } from "node:test";
import { Machine } from "./one-machine-testbed.ts";
import { idOf } from "./testbed.ts";

/** A chain: 1, which is us, has a link with 2, and hears that 2 has one with 3, 3 with 4 and 4 with 5. */

function alone(): Machine {
  const one = new Machine([2, 3, 4, 5]);
  link(one, 7);
  for (const observer of [2, 3, 4]) says(one, observer, [observer - 1, observer + 1]);
  assert.deepEqual(verdicts(one), ["alive", "alive", "alive", "alive"]);
  one.close(7, "failed");
  assert.deepEqual(verdicts(one), ["unreachable", "unreachable", "unreachable", "unreachable"]);
  return one;
}

function link(one: Machine, id: number): void {
  one.open(id, 2);
  one.frame(id, { type: "use" });
}

const says = (one: Machine, observer: number, peers: readonly number[]): void => {
  one.tell({ type: "observed", observer: idOf(observer), peers: peers.map(idOf), gone: [] });
};

const verdicts = (one: Machine): readonly (string | undefined)[] =>
  [2, 3, 4, 5].map((peer) => one.verdict(peer));

test("who is back hears nothing anew of members whose links did not change: what they said counts once we are in step", () => {
  const one = alone();
  link(one, 8);
  says(one, 2, [1, 3]);
  assert.deepEqual(verdicts(one), ["alive", "alive", "unreachable", "unreachable"]);
  one.tell({ type: "in-step", link: 8 });
  assert.deepEqual(verdicts(one), ["alive", "alive", "alive", "alive"]);
});

test("what is said after we are in step brings back what was said before by those whom it names", () => {
  const one = alone();
  link(one, 8);
  one.tell({ type: "in-step", link: 8 });
  says(one, 2, [1]);
  assert.deepEqual(verdicts(one), ["alive", "unreachable", "unreachable", "unreachable"]);
  says(one, 2, [1, 3]);
  assert.deepEqual(verdicts(one), ["alive", "alive", "alive", "alive"]);
});

test("what changed while we were alone counts as it is now", () => {
  const one = alone();
  link(one, 8);
  says(one, 3, [2]);
  one.tell({ type: "in-step", link: 8 });
  assert.deepEqual(verdicts(one), ["alive", "alive", "unreachable", "unreachable"]);
});

test("to be in step on a link that was lost since counts for nothing", () => {
  const one = alone();
  link(one, 8);
  one.tell({ type: "in-step", link: 8 });
  says(one, 2, [1, 3]);
  one.close(8, "failed");
  link(one, 9);
  says(one, 2, [1, 3]);
  assert.deepEqual(verdicts(one), ["alive", "alive", "unreachable", "unreachable"]);
  one.tell({ type: "in-step", link: 8 });
  assert.deepEqual(verdicts(one), ["alive", "alive", "unreachable", "unreachable"]);
  one.tell({ type: "in-step", link: 9 });
  assert.deepEqual(verdicts(one), ["alive", "alive", "alive", "alive"]);
});

test("to have been in step before a member was lost says nothing of what became of its links since", () => {
  const one = alone();
  link(one, 8);
  says(one, 2, [1, 3]);
  one.tell({ type: "in-step", link: 8 });
  const live = (): void => {
    one.run(100);
    one.tell({ type: "heard", link: 8 });
  };
  live();
  says(one, 2, [1]);
  live();
  says(one, 2, [1, 3]);
  assert.deepEqual(verdicts(one), ["alive", "alive", "unreachable", "unreachable"]);
  live();
  one.tell({ type: "in-step", link: 8 });
  assert.deepEqual(verdicts(one), ["alive", "alive", "alive", "alive"]);
});
