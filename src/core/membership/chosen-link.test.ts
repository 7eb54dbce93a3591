import assert from "node:assert/strict";
import { test } from "node:test";
import { createMembership } from "./create-membership.ts";
import type { MembershipEffect, MembershipEvent } from "./contract.ts";
import { encodeFrame } from "./frames.ts";
import { config, idOf, peerOf } from "./testbed.ts";

/** Node 2 has two links with node 1, which decides which of them is used: first the word for link 2 comes. */
function overtaken(): {
  readonly tell: (now: number, event: MembershipEvent) => readonly MembershipEffect[];
  readonly used: () => number | undefined;
} {
  const node = createMembership({ ...config, self: idOf(2) });
  const tell = (now: number, event: MembershipEvent): readonly MembershipEffect[] =>
    node.handle(event, { now, wall: 0, random: () => 0.5 });
  tell(0, { type: "peers", peers: [peerOf(1)], place: { site: "oslo", region: "north" } });
  for (const link of [1, 2]) tell(0, { type: "link-opened", link, peer: idOf(1), outbound: link === 1 });
  for (const link of [2, 1])
    tell(20 - 5 * link, { type: "frame", link, bytes: encodeFrame({ type: "use" }) });
  const used = (): number | undefined => node.evidence(idOf(1))?.link;
  assert.equal(used(), 1);
  return { tell, used };
}

test("the word for a given-up link comes after that for its successor: once it has ended, the successor is used", () => {
  const { tell, used } = overtaken();
  const effects = tell(21, { type: "link-closed", link: 1, end: "closed" });
  assert.equal(used(), 2);
  assert.ok(effects.some((effect) => effect.type === "peer-up" && effect.link === 2));
});

test("a link that was replaced 2 s ago is not used again: it may be dead", () => {
  const { tell, used } = overtaken();
  tell(2015, { type: "link-closed", link: 1, end: "closed" });
  assert.equal(used(), undefined);
});
