import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkEnd, MembershipEffect } from "./contract.ts";
import { decodeFrame } from "./frames.ts";
import { dialsOf, Machine, short } from "./one-machine-testbed.ts";
import { idOf, peerOf } from "./testbed.ts";
import { wantedPeers } from "./wanted-peers.ts";

test("every member with an address is dialled at once, and again only after the dial has failed", () => {
  const one = new Machine([]);
  assert.deepEqual(short(one.peers([0, 2])), ["dial 0", "dial 2"]);
  assert.deepEqual(dialsOf(one.wakeAfter(10_000)), []);
  one.refuse(2, "unreachable");
  assert.deepEqual(dialsOf(one.wakeAfter(2_000)), ["dial 2"]);
});

test("whom others reach again is dialled within 300 ms, and an island of 7 within 1.75 s, 250 ms for each", () => {
  const others = Array.from({ length: 7 }, (_, at) => at + 3);
  for (const [returned, within] of [
    [others.slice(0, 1), 300],
    [others, 1_750],
  ] as const) {
    const one = new Machine([2, ...others]);
    one.open(7, 2);
    one.now = 60_000;
    for (const peer of others) one.refuse(peer, "unreachable");
    one.tell({ type: "observed", observer: idOf(2), peers: returned.map((peer) => idOf(peer)), gone: [] });
    // Half of it, as the chance of this test has it.
    const before = dialsOf(one.run(within / 2 - 1));
    assert.deepEqual([before, dialsOf(one.run(1))], [[], returned.map((peer) => `dial ${peer}`)]);
  }
});

test("a dial that nobody answers for 15 s is given up and made anew", () => {
  const one = new Machine();
  assert.deepEqual(dialsOf(one.wakeAfter(14_999)), []);
  assert.deepEqual(dialsOf(one.wakeAfter(1)), ["dial 0", "dial 2"]);
});

test("a new address is dialled at once, whatever the failures before", () => {
  const one = new Machine([2]);
  for (let round = 0; round < 10; round++) {
    one.refuse(2, "unreachable");
    one.wakeAfter(1);
  }
  const moved = { ...peerOf(2), addresses: ["10.9.9.9:1"] };
  const told = one.tell({ type: "peers", peers: [moved], place: { site: "oslo", region: "north" } });
  assert.deepEqual(told, [{ type: "dial", peer: idOf(2), addresses: ["10.9.9.9:1"], relays: [] }]);
});

test("the smaller id chooses a link as soon as it opens, and says `use` on it", () => {
  const one = new Machine();
  const effects = short(one.open(7, 2));
  assert.deepEqual(effects, ["use 7", "peer-up 7", "ping 7", "unreachable -> alive"]);
  assert.equal(one.linkTo(2), 7);
});

test("the larger id sends nothing but pings until it hears `use`", () => {
  const one = new Machine();
  assert.deepEqual(short(one.open(7, 0)), ["ping 7", "unreachable -> alive"]);
  assert.equal(one.linkTo(0), undefined);
  assert.deepEqual(short(one.frame(7, { type: "use" })), ["peer-up 7"]);
  assert.equal(one.linkTo(0), 7);
});

test("a `use` from the larger id is not obeyed", () => {
  const one = new Machine();
  one.open(7, 2);
  one.open(8, 2);
  one.frame(8, { type: "use" });
  assert.equal(one.linkTo(2), 7);
});

test("a second link waits; life on the first closes the second", () => {
  const one = new Machine();
  one.open(7, 2);
  one.now += 100;
  assert.ok(short(one.open(8, 2)).includes("ping 7"), "the first is asked");
  one.now += 10;
  assert.deepEqual(short(one.frame(7, { type: "pong", number: 2, wall: 0 })), ["close 8 ours"]);
  assert.equal(one.linkTo(2), 7);
});

test("a second link takes over after 600 ms without life on the first, and the first is closed", () => {
  const one = new Machine();
  one.open(7, 2);
  one.now += 100;
  one.open(8, 2);
  one.wakeAfter(599);
  assert.equal(one.linkTo(2), 7);
  const effects = short(one.wakeAfter(1));
  assert.deepEqual(
    effects.filter((effect) => !effect.startsWith("ping")),
    ["peer-down 7", "use 8", "close 7 ours", "peer-up 8"],
  );
  assert.equal(one.linkTo(2), 8);
});

test("a link from a node that is no member is closed, and so are the links of one that leaves the roster", () => {
  const one = new Machine();
  assert.deepEqual(short(one.open(9, 5)), ["close 9 ours"]);
  one.open(7, 2);
  one.run(400);
  one.run(20);
  assert.deepEqual(short(one.peers([0])), ["close 7 ours", "peer-down 7", "links"]);
  assert.equal(one.machine.evidence(idOf(2)), undefined);
});

test("a ping is answered with its number, and a malformed frame closes the link", () => {
  const one = new Machine();
  one.open(7, 2);
  const [pong] = one.frame(7, { type: "ping", number: 300, wall: 0, next: 0 });
  assert.deepEqual(pong?.type === "send" && decodeFrame(pong.bytes), { type: "pong", number: 300, wall: 0 });
  assert.equal(one.tell({ type: "frame", link: 7, bytes: new Uint8Array([0]) })[0]?.type, "close");
  assert.equal(one.linkTo(2), undefined);
});

test("a link is given up after 3,000 ms of silence; any frame, also one for others, starts the time anew", () => {
  const one = new Machine();
  one.open(7, 2);
  one.run(2_000);
  one.tell({ type: "heard", link: 7 });
  assert.ok(!short(one.run(2_999)).includes("close 7 silent"));
  assert.ok(short(one.run(1)).includes("close 7 silent"));
  assert.equal(one.verdict(2), "unreachable");
});

test("of two stalls within 5 s only the first has everybody asked, and silence after the second counts", () => {
  const one = new Machine();
  one.open(7, 2);
  const asked = (): readonly string[] =>
    short(one.tell({ type: "stalled", by: 600 })).filter((effect) => effect.startsWith("ping"));
  one.run(1_000);
  assert.deepEqual(asked(), ["ping 7"]);
  one.frame(7, { type: "pong", number: 2, wall: 0 });
  one.now += 4_999;
  assert.deepEqual(asked(), []);
  one.run(4_200);
  assert.equal(one.verdict(2), "unreachable");
});

test("who doubts itself blames nobody: after a stall every link stays and is asked anew", () => {
  const told = new Machine();
  told.open(7, 2);
  told.run(2_900);
  told.now += 2_900;
  const asked = short(told.tell({ type: "stalled", by: 2_900 })).filter(
    (effect) => !effect.startsWith("dial"),
  );
  assert.deepEqual(asked, ["ping 7"]);
  told.run(2_999);
  assert.equal(told.verdict(2), "alive", "the silence counts from the end of the stall");
  told.run(1);
  assert.equal(told.verdict(2), "unreachable", "silence after the stall counts");
  assert.match(told.machine.selfDoubt()[0]?.what ?? "", /stood still for 2900 ms/);
  const often = new Machine();
  often.open(7, 2);
  for (let stall = 0; stall < 20; stall++) often.tell({ type: "stalled", by: 600 });
  often.run(3_001);
  assert.equal(often.verdict(2), "unreachable", "standstills do not add up to patience without end");
  for (const at of [0.1, 1 / 3, 16_706.123456789, 1e9 + 0.7]) {
    const odd = new Machine();
    odd.open(7, 2);
    odd.now = at;
    odd.tell({ type: "stalled", by: 600 });
    odd.run(10_000);
    assert.ok(odd.machine.wake().at > odd.now, "trust comes back at the moment that was asked for");
  }
  const noticed = new Machine();
  noticed.open(7, 2);
  assert.ok(short(noticed.wakeAfter(60_000)).includes("ping 7"), "a timer that comes late says the same");
  assert.equal(noticed.verdict(2), "alive");
});

test("dead takes both: a link that its kernel closed, and dials refused for 500 ms since then", () => {
  const cases: readonly (readonly [LinkEnd, "refused" | "unreachable", string])[] = [
    ["closed", "refused", "dead"],
    ["closed", "unreachable", "unreachable"],
    ["silent", "refused", "unreachable"],
    ["ours", "refused", "unreachable"],
    ["failed", "refused", "unreachable"],
  ];
  for (const [end, why, verdict] of cases) {
    const one = new Machine();
    one.refuse(2, "refused");
    one.open(7, 2);
    one.close(7, end);
    assert.equal(one.verdict(2), "unreachable", "a refusal before the link proves nothing");
    one.refuse(2, why);
    assert.equal(one.verdict(2), "unreachable", "one refusal may be a restart");
    one.now += 499;
    one.refuse(2, why);
    assert.equal(one.verdict(2), "unreachable", "so may two within 499 ms");
    one.now += 1;
    one.refuse(2, why);
    assert.equal(one.verdict(2), verdict, `${end} ${why}`);
  }
});

test("nobody is dead while a node that is alive says it has a link with it, however hard our own evidence", () => {
  const one = new Machine();
  one.open(6, 0);
  one.tell({ type: "observed", observer: idOf(0), peers: [idOf(2)], gone: [] });
  one.open(7, 2);
  one.close(7, "closed");
  one.refuseOn(2);
  assert.equal(one.verdict(2), "alive");
  one.tell({ type: "observed", observer: idOf(0), peers: [], gone: [] });
  assert.equal(one.verdict(2), "dead");
});

test("old evidence does not kill a member that another node met since then", () => {
  const one = new Machine();
  one.open(6, 0);
  one.open(7, 2);
  one.close(7, "closed");
  one.refuseOn(2);
  assert.equal(one.verdict(2), "dead");
  one.tell({ type: "observed", observer: idOf(0), peers: [idOf(2)], gone: [] });
  assert.equal(one.verdict(2), "alive", "it came back, and 0 has a link");
  one.refuse(2, "unreachable");
  one.tell({ type: "observed", observer: idOf(0), peers: [], gone: [] });
  assert.equal(one.verdict(2), "unreachable", "0 lost it too: nothing says that the new process is gone");
  one.refuseOn(2);
  assert.equal(one.verdict(2), "unreachable", "that new process never had a link with us to close");
});

test("a member that restarts while others keep saying that it is alive is not dead for its earlier end", () => {
  const one = new Machine();
  one.open(6, 0);
  one.tell({ type: "observed", observer: idOf(0), peers: [idOf(2)], gone: [] });
  one.open(7, 2);
  one.close(7, "closed");
  one.refuseOn(2);
  for (let waited = 0; waited <= 2_000; waited += 400) one.wakeAfter(400);
  one.refuse(2, "unreachable");
  one.tell({ type: "observed", observer: idOf(0), peers: [], gone: [] });
  assert.equal(one.verdict(2), "unreachable");
});

test("a killed member is dead although a dial met a host that did not refuse while others had not noticed yet", () => {
  const one = new Machine();
  one.open(6, 0);
  one.tell({ type: "observed", observer: idOf(0), peers: [idOf(2)], gone: [] });
  one.open(7, 2);
  one.close(7, "closed");
  one.refuse(2, "unreachable");
  one.tell({ type: "observed", observer: idOf(0), peers: [], gone: [] });
  one.refuseOn(2);
  assert.equal(one.verdict(2), "dead");
});

test("what a lost member said of others does not count when it is back, until it says it anew", () => {
  const one = new Machine();
  one.open(7, 2);
  one.tell({ type: "observed", observer: idOf(2), peers: [idOf(0)], gone: [] });
  assert.equal(one.verdict(0), "alive");
  one.close(7, "silent");
  assert.equal(one.verdict(0), "unreachable");
  one.open(8, 2);
  assert.equal(one.verdict(2), "alive");
  assert.equal(one.verdict(0), "unreachable", "nobody has said since that it is there");
  one.tell({ type: "observed", observer: idOf(2), peers: [idOf(0)], gone: [] });
  assert.equal(one.verdict(0), "alive");
});

test("whoever stood still for 600 ms gives others 600 ms more to answer before it asks about them", () => {
  const askedAfter = (stall: number): number => {
    const one = new Machine();
    one.open(6, 0);
    one.open(7, 2);
    one.frame(6, { type: "use" });
    one.tell({ type: "observed", observer: idOf(0), peers: [idOf(2)], gone: [] });
    one.frame(7, { type: "beat", next: 100 });
    one.tell({ type: "stalled", by: stall });
    const from = one.now;
    for (let asked = false; !asked;) {
      one.frame(6, { type: "beat", next: 1_000 });
      asked = short(one.wakeAfter(one.machine.wake().at - one.now)).includes("probe 6");
      assert.ok(one.now - from < 3_000, "nobody was asked");
    }
    return one.now - from;
  };
  assert.equal(Math.round(askedAfter(600) - askedAfter(1)), 600);
});

test("in a large site whom leases alone want is dialled within 3 s, and a host that refuses every 1.5 to 3 s", () => {
  const all = [0, ...Array.from({ length: 60 }, (_, at) => at + 2)];
  const place = { site: "oslo", region: "north" };
  const near = wantedPeers(
    idOf(1),
    place,
    all.map((at) => peerOf(at)),
  );
  const voters = all.filter((at) => !near.has(idOf(at))).slice(0, 20);
  const one = new Machine(all);
  const peers = all.map((at) => ({ ...peerOf(at), needed: voters.includes(at) }));
  one.run(20);
  let chance = 0;
  const random = (): number => (chance = (chance + 0.37) % 1);
  const effects = [...one.machine.handle({ type: "peers", peers, place }, { now: one.now, wall: 0, random })];
  const dialled = new Map<string, number>();
  const from = one.now;
  const note = (some: readonly MembershipEffect[]): void => {
    for (const effect of some)
      if (
        effect.type === "dial" &&
        voters.some((at) => idOf(at) === effect.peer) &&
        !dialled.has(effect.peer)
      )
        dialled.set(effect.peer, one.now - from);
  };
  note(effects);
  while (one.now < from + 3_000) note(one.run(10));
  const times = [...dialled.values()];
  assert.equal(times.length, voters.length);
  for (const [low, high] of [
    [0, 1_000],
    [1_000, 2_000],
    [2_000, 3_001],
  ] as const)
    assert.ok(times.filter((at) => at >= low && at < high).length >= 3, times.join());
  const [voter] = voters as [number];
  one.refuse(voter, "refused");
  const again = (duration: number): boolean =>
    one.run(duration).some((effect) => effect.type === "dial" && effect.peer === idOf(voter));
  assert.ok(!again(1_499));
  assert.ok(again(1_501));
});
