import assert from "node:assert/strict";
import { test } from "node:test";
import { epochMax } from "./state.ts";
import { bed, idOf, leaseFor, promise, voterAlone, type Node } from "./testbed.ts";

/** How fast an electorate follows the roster: at once where nothing is held, and where something is, not sooner than is safe. */

const ids = ["1", "2", "3", "4", "5", "6", "7", "8"].map(idOf);

/** So many linked members of which the first has founded alone. */
function site(count: number, diskMs = 0) {
  const room = bed({ diskMs });
  const [first, ...others] = ids.slice(0, count).map((id) => room.start(id, 4096)) as [Node, ...Node[]];
  room.roster(first, [first.id]);
  room.run(1);
  const members = ids.slice(0, count);
  const join = (): void => {
    for (const node of [first, ...others]) room.roster(node, members);
    room.linkAll([first, ...others]);
  };
  return { ...room, first, others, join };
}

const timesHello = ({ said }: Node): number => said.filter((type) => type === "hello").length;
const timesGoesBy = ({ said }: Node): number => said.filter((type) => type === "goes-by").length;

test("where nothing is held 7 newcomers vote within 4 s, one after the other", () => {
  const { first, others, join, run, rollOf } = site(8);
  join();
  run(4_000);
  for (const node of [first, ...others]) assert.equal(rollOf(node)?.voters.length, 8);
});

test("where something was held before the roll, the next one waits for 15 s", () => {
  const { first, join, run, rollOf, want } = site(4);
  want(first);
  run(100);
  join();
  run(promise);
  assert.equal(rollOf(first)?.voters.length, 2);
  run(2_000);
  assert.equal(rollOf(first)?.voters.length, 3);
});

test("a voter that is out of reach may stand by a promise: the roll is not changed before 15 s", () => {
  const { first, others, join, unlink, run, rollOf } = site(4);
  join();
  run(100);
  const [second, third] = others as [Node, Node];
  while (rollOf(first)?.voters.length !== 3) run(100);
  for (const other of [first, third]) unlink(second, other);
  run(promise - 1_000);
  assert.equal(rollOf(first)?.voters.length, 3);
  run(3_000);
  assert.equal(rollOf(first)?.voters.length, 4);
});

test("an answer that is read when the lease has ended gives nothing back: what its guard ended starts under another token", () => {
  const { first, join, run, want, readLater, stop, goOn } = site(2);
  join();
  run(1_000);
  want(first);
  run(1_000);
  const token = first.held.get("n");
  assert.ok(token !== undefined);
  readLater(first);
  run(3_000);
  stop(first);
  run(leaseFor - 2_000);
  const before = first.log.length;
  goOn(first);
  run(2_000);
  assert.deepEqual([...new Set(first.log.slice(before))], [`lost n ${token}`, `held n ${token + 1}`]);
});

test("who renewed a promise under a later roll, or was promised anew, may still hold by the earlier one until it let go", () => {
  const { say, ask, run } = voterAlone();
  say(5, 5);
  assert.deepEqual(ask(5, epochMax(4) + 2), { granted: true, clear: true });
  say(5, 6);
  assert.deepEqual(ask(6, epochMax(4) + 2), { granted: true, clear: false });
  run(promise / 2);
  assert.deepEqual(ask(6, epochMax(5) + 2), { granted: true, clear: false });
  run(promise + 1);
  assert.deepEqual(ask(6, epochMax(5) + 3), { granted: true, clear: true });
});

test("of 5 members of whom 3 ought to vote the others lose their vote, one in 3 s, and hold by those of the 3", () => {
  const { first, others, join, roster, want, run, rollOf } = site(5);
  join();
  run(4_000);
  assert.equal(rollOf(first)?.voters.length, 5);
  const members = ids.slice(0, 5);
  for (const node of [first, ...others]) roster(node, members, 0, 0, members.slice(0, 3));
  run(2_000);
  assert.equal(rollOf(first)?.voters.length, 4);
  run(1_500);
  assert.equal(rollOf(first)?.voters.length, 4);
  run(2_000);
  for (const node of [first, ...others]) assert.equal(rollOf(node)?.voters.length, 3);
  const [last] = others.slice(-1) as [Node];
  want(last);
  run(1_000);
  assert.ok(last.held.has("n"));
});

test("a voter who left does not wait behind those who only need not vote any more", () => {
  const { first, others, join, roster, run, rollOf } = site(6);
  const all = [first, ...others];
  join();
  run(10_000);
  const members = ids.slice(0, 6);
  for (const node of all) roster(node, members, 0, 0, members.slice(0, 3));
  run(1_000);
  assert.equal(rollOf(first)?.voters.length, 5);
  const [left = ""] = ids.slice(2, 3);
  const rest = members.filter((id) => id !== left);
  for (const node of all) roster(node, rest, 1, 0, rest.slice(0, 3));
  run(1_500);
  assert.equal(rollOf(first)?.voters.length, 4);
  assert.ok(rollOf(first)?.voters.every(({ id }) => id !== left));
});

test("where four of eight vote, the four say that they go by a new roll, nobody else does, and all know it", () => {
  const { first, others, join, run, roster, rollOf } = site(8);
  const all = [first, ...others];
  const vote = (count: number): void => {
    for (const node of all) roster(node, ids, 0, 0, ids.slice(0, count));
  };
  join();
  vote(3);
  run(4_000);
  assert.equal(rollOf(first)?.voters.length, 3);
  const before = all.map(timesGoesBy);
  vote(4);
  run(4_000);
  for (const node of all) assert.equal(rollOf(node)?.voters.length, 4);
  assert.deepEqual(
    all.map((node, at) => timesGoesBy(node) - (before[at] ?? 0)),
    [7, 7, 7, 7, 0, 0, 0, 0],
  );
});

test("who meets a peer while a roll is on its way to the disk greets it afterwards, and comes to vote", () => {
  const { first, join, run, rollOf } = site(3, 5);
  run(100);
  join();
  run(3_000);
  assert.equal(rollOf(first)?.voters.length, 3);
});

test("who does not vote is told a new roll by the one who proposed it, and asks nobody", () => {
  const { first, others, join, run, roster, rollOf } = site(8, 5);
  const all = [first, ...others];
  run(100);
  join();
  for (const node of all) roster(node, ids, 0, 0, ids.slice(0, 3));
  run(10_000);
  assert.equal(rollOf(first)?.voters.length, 3);
  const before = all.map(timesHello);
  for (const node of all) roster(node, ids, 0, 0, ids.slice(0, 4));
  run(10_000);
  for (const node of all) assert.equal(rollOf(node)?.voters.length, 4);
  const said = all.map((node, at) => timesHello(node) - (before[at] ?? 0));
  assert.deepEqual(said.toSorted(), [0, 0, 0, 0, 0, 0, 0, 7]);
});

test("who does not vote writes a roll down, and not who goes by it", () => {
  const { first, others, join, run, roster, rollOf } = site(8);
  const all = [first, ...others];
  join();
  for (const node of all) roster(node, ids, 0, 0, ids.slice(0, 3));
  run(6_000);
  const before = all.map(({ writes }) => writes);
  for (const node of all) roster(node, ids, 0, 0, ids.slice(0, 4));
  run(6_000);
  for (const node of all) assert.equal(rollOf(node)?.voters.length, 4);
  const last = all.slice(4).map(({ writes }, at) => writes - (before[at + 4] ?? 0));
  assert.deepEqual(last, [1, 1, 1, 1]);
});

test("the voters who were heard to go by a roll within a second are written down in one go", () => {
  const { first, others, join, run, hear, rollOf } = site(8);
  join();
  run(6_000);
  const roll = rollOf(first);
  assert.equal(roll?.voters.length, 8);
  const { writes } = first;
  const next = { ...roll, number: roll.number + 1 };
  for (const { id } of others) {
    hear(first, id, { type: "hello", electorate: "site/x", memory: "m", roll: next });
    run(10);
  }
  assert.equal(first.writes, writes + 1);
  run(1_000);
  assert.equal(first.writes, writes + 2);
});
