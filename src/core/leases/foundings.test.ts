import assert from "node:assert/strict";
import { test } from "node:test";
import type { Roll } from "./contract.ts";
import { decodeMessages, encodeMessages, type Message } from "./frames.ts";
import { epochMax, firstNumber, isWorn, stampOf } from "./state.ts";
import { bed, idOf, leaseFor, promise, voterAlone, type Node } from "./testbed.ts";

/** What becomes of an electorate whose voters have all gone, and of two that were founded under one name. */

const [a, b, c] = [idOf("a"), idOf("b"), idOf("c")];

test("where nobody has gone the first member founds at once, and holds", () => {
  const { start, roster, want, run, rollOf } = bed();
  const node = start(a, 4096);
  roster(node, [a]);
  want(node);
  run(1);
  assert.deepEqual(rollOf(node)?.voters, [{ id: a, memory: "m" }]);
  assert.ok(node.held.has("n"));
});

test("who may have mates that it was not told of listens for 20 s before it founds", () => {
  const { start, roster, run, rollOf } = bed();
  const node = start(a, 4096);
  roster(node, [a], 0, 20_000);
  run(19_900);
  assert.equal(rollOf(node), undefined);
  run(200);
  assert.equal(rollOf(node)?.voters.length, 1);
});

test("who comes after the last one has gone founds after 15 s, with a larger token, though its clock stands at 0", () => {
  const { start, roster, want, run, tell } = bed();
  const old = start(a, 1e15);
  roster(old, [a]);
  want(old);
  run(1);
  const before = old.held.get("n") ?? 0;
  // It leaves: the word is stamped after its roll, and whoever comes has seen it.
  const word = ++old.stamp;
  roster(old, [], 1);
  const young = start(b, 0, { memory: "other" });
  young.stamp = word;
  roster(young, [b], 1);
  want(young);
  run(promise - 100);
  assert.equal(young.held.size, 0);
  assert.equal(old.held.size, 0, "who has left asks for nothing more");
  run(1_000);
  assert.ok((young.held.get("n") ?? 0) > before);
  tell(old, { type: "wake" });
});

test("a member that goes by a roll of those who have gone founds another after 15 s, counted from the last of them", () => {
  const { start, roster, link, run, rollOf } = bed();
  const [first, second] = [start(a, 4096), start(b, 4096)];
  for (const node of [first, second]) roster(node, [a]);
  roster(first, [a, b]);
  roster(second, [a, b]);
  link(first, second);
  run(1);
  const known = rollOf(second);
  assert.deepEqual(
    known?.voters.map(({ id }) => id),
    [a],
  );
  roster(second, [b], 1);
  run(promise / 2);
  // Somebody else goes, who may have voted as well.
  roster(second, [b], 2);
  run(promise - 100);
  assert.equal(rollOf(second), known);
  run(200);
  assert.deepEqual(
    rollOf(second)?.voters.map(({ id }) => id),
    [b],
  );
  assert.ok((rollOf(second)?.founding ?? 0) > (known?.number ?? 0));
});

test("who knows that it has left holds nothing 10 s later, though the 2 others have not heard of it and grant", () => {
  const { start, roster, want, linkAll, run, rollOf } = bed();
  const all = [a, b, c].map((id) => start(id, 4096, { memory: id.slice(0, 1) }));
  const [leaver] = all;
  assert.ok(leaver !== undefined);
  for (const node of all) roster(node, [a, b, c]);
  linkAll(all);
  run(1);
  assert.equal(rollOf(leaver)?.voters.length, 3);
  want(leaver);
  run(leaseFor);
  assert.ok(leaver.held.has("n"));
  roster(leaver, [b, c], 1);
  run(leaseFor);
  assert.equal(leaver.held.size, 0);
});

test("of two voters the one that heard of the first roll from the other decides alone when that one has left", () => {
  const { start, roster, link, run, rollOf } = bed();
  const [first, second] = [start(a, 4096), start(b, 4096)];
  for (const node of [first, second]) roster(node, [a, b]);
  link(first, second);
  run(promise);
  roster(second, [b], 1);
  run(2_000);
  assert.deepEqual(
    rollOf(second)?.voters.map(({ id }) => id),
    [b],
  );
});

test("of two voters the founder decides alone within 2 s of the other's end, also when it had heard just then that it votes", () => {
  const { start, roster, tell, hear, run, rollOf } = bed();
  const node = start(a, 4096);
  roster(node, [a, b]);
  tell(node, { type: "peer-up", peer: b });
  hear(node, b, { type: "hello", electorate: "site/x", memory: "other" });
  const first = rollOf(node);
  assert.equal(first?.voters.length, 2);
  run(promise);
  const { founding, number } = first;
  hear(node, b, { type: "goes-by", electorate: "site/x", memory: "other", founding, number });
  roster(node, [a], 1);
  run(2_000);
  assert.deepEqual(
    rollOf(node)?.voters.map(({ id }) => id),
    [a],
  );
});

test("two of four voters whose others were revoked go on without them, also when the one who had heard all four was restarted", () => {
  const { start, roster, link, linkAll, run, rollOf } = bed();
  const d = idOf("d");
  const ids = [a, b, c, d];
  const all = ids.map((id) => start(id, 4096, { memory: id.slice(0, 1) })) as [Node, ...Node[]];
  // Of a first list nobody has to be heard: theirs follows from one of a alone.
  roster(all[0], [a]);
  run(1);
  for (const node of all) roster(node, ids);
  linkAll(all);
  run(4_000);
  const before = all[2];
  assert.ok(before !== undefined);
  assert.equal(rollOf(before)?.voters.length, 4);
  const again = start(c, before.stamp);
  const last = start(d, before.stamp);
  for (const node of [again, last]) roster(node, [c, d], 2);
  link(again, last);
  run(3 * promise);
  assert.deepEqual(
    rollOf(again)?.voters.map(({ id }) => id),
    [c, d],
  );
});

test("a disk that was lost founds nothing, also when all who voted have gone", () => {
  const { start, roster, run, rollOf } = bed();
  const node = start(a, 4096, { firstLife: false });
  roster(node, [a], 1);
  run(5 * promise);
  assert.equal(rollOf(node), undefined);
});

test("nobody founds before every member has said of this electorate that it knows no later roll", () => {
  const { start, roster, link, run, hear, rollOf } = bed();
  const node = start(a, 4096);
  roster(node, [a, b]);
  const peer = start(b, 4096, { memory: "other" });
  link(node, peer);
  // Its memory is known by what it said of another electorate.
  hear(node, b, { type: "hello", electorate: "mesh", memory: "other" });
  roster(node, [a, b]);
  run(promise);
  assert.equal(rollOf(node), undefined);
  hear(node, b, { type: "hello", electorate: "site/x", memory: "other" });
  assert.equal(rollOf(node)?.voters.length, 2);
});

test("of two foundings the larger stands: the holder under the other ends it at once, and asks under the larger", () => {
  const { start, roster, want, link, run, rollOf } = bed();
  const [one, other] = [start(a, 4096), start(b, 1e9, { memory: "other" })];
  for (const node of [one, other]) {
    roster(node, [node.id]);
    want(node);
  }
  run(1);
  const token = one.held.get("n") ?? 0;
  assert.ok(token > 0 && other.held.has("n"));
  for (const node of [one, other]) roster(node, [a, b]);
  link(one, other);
  assert.deepEqual(one.log.slice(-1), [`lost n ${token}`]);
  assert.equal(rollOf(one)?.founding, rollOf(other)?.founding);
  run(60_000);
  assert.equal(rollOf(one)?.voters.length, 2);
  assert.deepEqual([one.held.has("n"), other.held.has("n")], [false, true]);
});

test("of two foundings under one number the same one stands on both sides", () => {
  const { start, roster, want, link, run, hear, rollOf } = bed();
  const node = start(a, 4096);
  roster(node, [a, b]);
  const peer = start(b, 4096);
  roster(peer, [a, b]);
  link(node, peer);
  want(node);
  run(10);
  assert.ok(node.held.has("n"));
  const ours = rollOf(node);
  assert.ok(ours !== undefined);
  for (const [memory, wins] of [["0", false] as const, ["z", true] as const]) {
    const theirs: Roll = { ...ours, voters: [{ id: wins ? b : "0".repeat(20), memory }] };
    hear(node, b, { type: "hello", electorate: "site/x", memory, roll: theirs });
    assert.deepEqual(rollOf(node), wins ? theirs : ours);
    assert.equal(node.held.has("n"), !wins);
  }
});

test("a pod that ran under another founding is not taken up after a restart", () => {
  const { start, roster, want, run, hear, rollOf } = bed();
  const first = start(a, 4096);
  roster(first, [a]);
  want(first);
  run(1);
  const token = first.held.get("n") ?? 0;
  const ours = rollOf(first);
  assert.ok(ours !== undefined);
  // Killed before it could end the pod, and after the other roll, which it votes in, was on its disk.
  const founding = ours.founding + 1_000;
  roster(first, [a, b]);
  hear(first, b, {
    type: "hello",
    electorate: "site/x",
    memory: "other",
    roll: { founding, number: founding + 1, voters: [{ id: a, memory: "m" }] },
  });
  const again = start(a, first.stamp);
  roster(again, [a, b]);
  want(again, token);
  run(5_000);
  assert.equal(again.log[0], `lost n ${token}`);
  assert.ok((again.held.get("n") ?? 0) > epochMax(founding));
});

test("a promise under another founding is not renewed by the votes of this one", () => {
  const { say, ask } = voterAlone();
  const epoch = epochMax(4) + 2;
  say(5, 5);
  assert.equal(ask(5, epoch).granted, true);
  say(5, 6);
  assert.equal(ask(6, epoch).granted, true, "a lease outlives a change of the roll");
  say(9, 9);
  assert.equal(ask(9, epoch).granted, false);
});

test("a roll from ahead of all clocks, and one whose number lies before its founding, are not taken up", () => {
  const { start, roster, hear, rollOf } = bed();
  const node = start(a, 4096);
  roster(node, [a, b]);
  const voters = [{ id: b, memory: "other" }];
  const hello = (founding: number, number: number): Message => ({
    type: "hello",
    electorate: "site/x",
    memory: "other",
    roll: { founding, number, voters },
  });
  hear(node, b, hello(2 ** 38, 2 ** 38));
  assert.equal(rollOf(node), undefined);
  assert.equal(decodeMessages(encodeMessages([hello(7, 6)])).ok, false);
  hear(node, b, hello(6, 7));
  assert.equal(rollOf(node)?.number, 7);
});

test("when three quarters of a roll's 16,384 epochs are used up its voters go on under the next number", () => {
  const { start, roster, want, run, rollOf, tell } = bed();
  const node = start(a, 4096);
  roster(node, [a]);
  want(node);
  run(promise + 1_000);
  const before = rollOf(node);
  assert.ok(before !== undefined);
  assert.equal(isWorn(before, epochMax(before.number) - 4_094), true);
  assert.equal(isWorn(before, epochMax(before.number) - 4_095), false);
  for (let count = 0; count < 12_300; count++) {
    tell(node, { type: "release", name: "n" });
    want(node);
  }
  run(promise + 5_000);
  assert.equal(rollOf(node)?.number, before.number + 1);
  assert.deepEqual(rollOf(node)?.voters, before.voters);
  assert.ok(node.held.has("n"));
});

test("tokens stay below 2^53 until the stamps of 2089, and a founding lies above every roll that was seen", () => {
  const last = firstNumber(Number.MAX_SAFE_INTEGER, () => 0.999);
  assert.equal(epochMax(last), Number.MAX_SAFE_INTEGER);
  assert.equal(firstNumber(4096, () => 0.999) - firstNumber(4096, () => 0), 255, "drawn from one second");
  for (const number of [1, 77, 2 ** 38]) {
    const roll = { founding: number, number, voters: [] };
    assert.ok(firstNumber(stampOf(roll) + 1, () => 0) > number);
  }
});
