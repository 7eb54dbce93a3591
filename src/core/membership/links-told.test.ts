import assert from "node:assert/strict";
import { test } from "node:test";
import type { MembershipEffect } from "./contract.ts";
import { Machine, short } from "./one-machine-testbed.ts";
import { idOf, peerOf } from "./testbed.ts";
import { wantedPeers } from "./wanted-peers.ts";

/** When a machine tells others which links it has. */

const links = (effects: readonly MembershipEffect[]): readonly string[] =>
  short(effects).filter((effect) => effect.startsWith("links"));

test("links that come within 400 ms of the first are told together, and one that is lost is told at once", () => {
  const one = new Machine();
  one.open(7, 0);
  one.frame(7, { type: "use" });
  assert.deepEqual(links(one.run(240)), []);
  one.open(8, 2);
  assert.deepEqual(links(one.run(159)), []);
  assert.deepEqual(links(one.run(1)), ["links 0,2"]);
  one.run(20);
  assert.deepEqual(links(one.tell({ type: "link-closed", link: 8, end: "closed" })), ["links 0"]);
  assert.deepEqual(links(one.run(800)), []);
});

test("a link with a peer that others have a link with is told 2 s later: nobody learns from it who is there", () => {
  const one = new Machine([0, 2, 3]);
  one.open(7, 2);
  one.frame(7, { type: "use" });
  assert.deepEqual(links(one.run(400)), ["links 2"]);
  one.tell({ type: "observed", observer: idOf(2), peers: [idOf(1), idOf(3)], gone: [] });
  one.open(8, 3);
  const heard = (duration: number): string[] => {
    for (const link of [7, 8]) one.tell({ type: "heard", link });
    return [...links(one.run(duration))];
  };
  assert.deepEqual([...heard(1_000), ...heard(999)], []);
  assert.deepEqual(heard(1), ["links 2,3"]);
});

test("a link with a peer that was lost, and that nobody has seen since, is news: it is told within 20 ms", () => {
  const one = new Machine();
  one.open(7, 2);
  one.run(400);
  one.run(20);
  one.tell({ type: "link-closed", link: 7, end: "silent" });
  one.open(8, 2);
  assert.deepEqual(links(one.run(19)), []);
  assert.deepEqual(links(one.run(1)), ["links 2"]);
});

test("links with 50 peers are told together after 2 s; the first that is lost at once, and what comes within 500 ms of that word in one more", () => {
  const peers = Array.from({ length: 50 }, (_, at) => at + 2);
  const one = new Machine(peers);
  const lostIn = (effects: readonly MembershipEffect[]): number[] =>
    effects.flatMap((effect) => (effect.type === "links-changed" ? [50 - effect.peers.length] : []));
  for (const peer of peers) one.open(peer, peer);
  assert.deepEqual(lostIn(one.run(1_999)), []);
  assert.deepEqual(lostIn(one.run(1)), [0]);
  for (const link of peers) one.tell({ type: "heard", link });
  one.run(500);
  assert.deepEqual(lostIn(one.close(2, "silent")), [1]);
  one.run(100);
  assert.deepEqual([...lostIn(one.close(3, "silent")), ...lostIn(one.close(4, "silent"))], []);
  assert.deepEqual(lostIn(one.run(399)), []);
  assert.deepEqual(lostIn(one.run(1)), [3]);
});

test("who is late by 400 ms tells no later for it that somebody is lost: 500 ms after its last word", () => {
  const peers = Array.from({ length: 50 }, (_, at) => at + 2);
  const one = new Machine(peers);
  const when = (effects: () => readonly MembershipEffect[], within: number): number | undefined => {
    const from = one.now;
    while (one.now < from + within)
      if (effects().some(({ type }) => type === "links-changed")) return one.now - from;
    return undefined;
  };
  for (const peer of peers.slice(1)) one.open(peer, peer);
  one.run(2_000);
  const live = (): void => {
    for (const link of peers) one.tell({ type: "heard", link });
  };
  live();
  one.tell({ type: "stalled", by: 400 });
  assert.deepEqual(links(one.close(9, "silent")).length, 0, "not within 500 ms of the last word");
  assert.equal(
    when(() => one.run(10), 1_000),
    500,
  );
});

test("a link with another place that came, or is lost, is told 5 s later, and sooner when a member's is to be told", () => {
  const one = new Machine();
  one.peers([0, 2], [3, 4]);
  one.open(8, 2);
  assert.deepEqual(links(one.run(400)), ["links 2"]);
  one.open(9, 3);
  for (const link of [8, 9]) one.tell({ type: "heard", link });
  assert.deepEqual(links(one.run(400)), []);
  one.open(10, 4);
  const heard = (seconds: number): string[] => {
    const told: string[] = [];
    for (let second = 0; second < seconds; second++) {
      for (const link of [8, 9, 10]) one.tell({ type: "heard", link });
      told.push(...links(one.run(1_000)));
    }
    return told;
  };
  assert.deepEqual(heard(4), []);
  assert.deepEqual(heard(1), ["links 2,3,4"]);
  assert.deepEqual(links(one.close(9, "closed")), []);
  // It is a contact no more, and was one when it was told of last.
  assert.deepEqual(links(one.peers([0, 2], [4])), []);
  assert.deepEqual(links(one.run(1_000)), []);
  assert.deepEqual(links(one.close(8, "closed")), ["links 4"]);
});

test("in a large site a link with somebody who is no neighbour is told of only while nobody of a smaller id tells of one", () => {
  const all = [0, ...Array.from({ length: 60 }, (_, at) => at + 2)];
  const one = new Machine(all);
  const peers = all.map((at) => peerOf(at));
  const near = wantedPeers(idOf(1), { site: "oslo", region: "north" }, peers);
  const [far, farther] = all.filter((at) => at > 1 && at < 10 && !near.has(idOf(at))) as [number, number];
  const reports = (observer: number, seen: readonly number[]): void =>
    void one.tell({ type: "observed", observer: idOf(observer), peers: seen.map(idOf), gone: [] });
  const told = (): string[] => {
    const effects: MembershipEffect[] = [];
    for (let second = 0; second < 12; second++) {
      for (const link of [7, 8, 9]) one.tell({ type: "heard", link });
      effects.push(...one.run(1_000));
    }
    return [...links(effects)];
  };
  one.open(7, 0);
  one.frame(7, { type: "use" });
  one.open(8, farther);
  one.open(9, far);
  reports(0, [farther]);
  // One of a larger id leaves it to us.
  reports(farther, [far]);
  assert.deepEqual(told(), [`links 0,${far}`]);
  assert.ok(one.machine.isSpare(idOf(farther)));
  assert.ok(!one.machine.isSpare(idOf(far)), "whom we tell of gets our news");
  reports(0, [far, farther]);
  assert.deepEqual(told(), ["links 0"]);
  assert.ok(one.machine.isSpare(idOf(far)));
  assert.deepEqual(links(one.close(9, "closed")), [], "nobody waits for our word");
});

test("of 12 that see a process go those say so who have heard it of fewer than 3 others until their turn comes, within 900 ms", () => {
  const peers = Array.from({ length: 12 }, (_, at) => at + 2);
  const gone = idOf(2);
  for (const before of [0, 2, 3, 5]) {
    const one = new Machine(peers);
    for (const peer of peers) one.open(peer, peer);
    const told: string[] = [];
    const live = (duration: number): string[] => {
      for (let passed = 0; passed < duration; passed += 150) {
        for (const peer of peers) one.tell({ type: "heard", link: peer });
        const effects = [...one.run(150)];
        if (one.linkTo(2) === undefined) effects.push(...one.refuse(2, "refused"));
        for (const effect of effects)
          if (effect.type === "links-changed") told.push(...effect.gone.map((id) => `${Number(id)} went`));
      }
      return told.splice(0);
    };
    const say = (observers: readonly number[]): void => {
      for (const observer of observers)
        one.tell({ type: "observed", observer: idOf(observer), peers: [], gone: [gone] });
    };
    live(3_000);
    say(peers.slice(1, 1 + before));
    one.close(2, "closed");
    const words = live(750);
    assert.equal(one.verdict(2), "dead");
    words.push(...live(1_050));
    assert.deepEqual(words, before < 3 ? ["2 went"] : [], `${before} had said so`);
    // Its word stays, whoever says the same after it.
    say(peers.slice(1, 6));
    assert.deepEqual(live(1_050), []);
  }
});
