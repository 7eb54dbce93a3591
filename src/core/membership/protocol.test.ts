import assert from "node:assert/strict";
import { test } from "node:test";
import { createMembership } from "./create-membership.ts";
import type { Membership, MembershipEffect, MembershipEvent } from "./contract.ts";
import { config, idOf, peerOf } from "./testbed.ts";

/** Node 1 at the time `now`, with node 2 as its only peer. */
function machine(speaks: { readonly min: number; readonly max: number }) {
  const node: Membership = createMembership({ ...config, self: idOf(1), speaks });
  const tell = (now: number, event: MembershipEvent): readonly MembershipEffect[] =>
    node.handle(event, { now, wall: 0, random: () => 0.5 });
  tell(0, { type: "peers", peers: [peerOf(2)], place: { site: "oslo", region: "north" } });
  return { node, tell };
}

const opened = (link: number, min: number, max: number): MembershipEvent => ({
  type: "link-opened",
  link,
  peer: idOf(2),
  outbound: true,
  speaks: { min, max },
});
const dials = (effects: readonly MembershipEffect[]): boolean => effects.some(({ type }) => type === "dial");

test("a link uses protocol 4, the highest of 2 to 4 and 3 to 9, and its evidence says so", () => {
  const { node, tell } = machine({ min: 2, max: 4 });
  tell(0, opened(1, 3, 9));
  assert.equal(node.evidence(idOf(2))?.protocol, 4);
  assert.equal(node.evidence(idOf(2))?.verdict, "alive");
});

test("a peer without a common protocol is told of with both ranges, closed, and not dialled for 5 minutes", () => {
  const { node, tell } = machine({ min: 2, max: 3 });
  const effects = tell(0, opened(1, 4, 5));
  assert.deepEqual(effects, [
    { type: "close", link: 1, end: "ours" },
    { type: "protocol-mismatch", peer: idOf(2), theirs: { min: 4, max: 5 } },
  ]);
  const evidence = node.evidence(idOf(2));
  assert.equal(
    evidence?.observations[0]?.what,
    "it speaks protocol 4-5, we speak 2-3: upgrade the older side",
  );
  assert.equal(evidence?.verdict, "unreachable");
  tell(5, { type: "link-closed", link: 1, end: "ours" });
  for (let now = 1_000; now < 300_000; now += 1_000)
    assert.equal(dials(tell(now, { type: "wake" })), false, `${now}`);
  assert.ok(dials(tell(600_000, { type: "wake" })), "it is tried again within 10 minutes");
  // An upgraded peer dials us itself.
  tell(600_010, { type: "link-closed", link: 1, end: "ours" });
  tell(600_020, { ...opened(2, 3, 5), outbound: false } as MembershipEvent);
  assert.equal(node.evidence(idOf(2))?.protocol, 3);
});

test("a frame of a type that a later version added counts as a sign of life and leaves the link open", () => {
  const { node, tell } = machine({ min: 2, max: 2 });
  tell(0, opened(1, 2, 2));
  tell(400, { type: "wake" });
  for (let type = 8; type < 256; type++) {
    const at = type * 1_000;
    const effects = tell(at, { type: "frame", link: 1, bytes: Uint8Array.of(type, 1, 2, 3) });
    assert.ok(effects.every(({ type }) => type === "send" || type === "links-changed"));
    assert.equal(node.evidence(idOf(2))?.heardAt, at);
  }
  assert.equal(node.evidence(idOf(2))?.link, 1);
});

test("a peer that ends every link as soon as it accepts it is dialled 60 times in a minute at most, and a link of 10 s ends the pause", () => {
  const { tell } = machine({ min: 2, max: 2 });
  const dialledAt: number[] = [];
  let link = 0;
  for (let now = 0; now < 60_000; now += 10) {
    const dialled = link === 0 || dials(tell(now, { type: "wake" }));
    if (!dialled) continue;
    for (let again = true; again;) {
      dialledAt.push(now);
      tell(now, opened(++link, 2, 2));
      // What it says before does not help it, nor do others who say that they reach it.
      tell(now, { type: "heard", link });
      tell(now, { type: "observed", observer: idOf(3), peers: [idOf(2)], gone: [] });
      again = link < 100 && dials(tell(now, { type: "link-closed", link, end: "closed" }));
    }
  }
  const pauses = dialledAt.slice(1).map((at, before) => at - (dialledAt[before] ?? 0));
  assert.ok(link >= 10 && link <= 60, `${link} dials`);
  assert.deepEqual(
    pauses,
    pauses.toSorted((left, right) => left - right),
  );
  assert.ok((pauses.at(-1) ?? 0) >= config.redialMax / 2, `pauses of ${pauses.join()}`);
  tell(60_000, opened(++link, 2, 2));
  for (let now = 60_500; now <= 70_000; now += 500) tell(now, { type: "heard", link });
  const ended = tell(70_000, { type: "link-closed", link, end: "closed" });
  assert.ok(dials(ended) || dials(tell(70_010, { type: "wake" })));
});
