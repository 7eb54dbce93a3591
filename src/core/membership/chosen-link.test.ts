import assert from "node:assert/strict";
import { test } from "node:test";
import { createMembership } from "./create-membership.ts";
import type { MembershipEffect, MembershipEvent } from "./contract.ts";
import { encodeFrame } from "./frames.ts";
import { config, idOf, peerOf } from "./testbed.ts";

test("the word for a second link overtakes that for the first: once the first has ended the second is used", () => {
  // Node 2 does not decide which of its links with node 1 is used.
  const node = createMembership({ ...config, self: idOf(2) });
  const tell = (now: number, event: MembershipEvent): readonly MembershipEffect[] =>
    node.handle(event, { now, wall: 0, random: () => 0.5 });
  tell(0, { type: "peers", peers: [peerOf(1)], place: { site: "oslo", region: "north" } });
  const bytes = encodeFrame({ type: "use" });
  for (const link of [1, 2]) tell(0, { type: "link-opened", link, peer: idOf(1), outbound: link === 1 });
  tell(10, { type: "frame", link: 2, bytes });
  tell(20, { type: "frame", link: 1, bytes });
  assert.equal(node.evidence(idOf(1))?.link, 1);
  const effects = tell(21, { type: "link-closed", link: 1, end: "closed" });
  assert.equal(node.evidence(idOf(1))?.link, 2);
  assert.ok(effects.some((effect) => effect.type === "peer-up" && effect.link === 2));
});
