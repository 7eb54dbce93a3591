import assert from "node:assert/strict";
import { test } from "node:test";
import type { Membership } from "./contract.ts";
import { createMembership } from "./create-membership.ts";
import { encodeFrame } from "./frames.ts";
import { config, idOf, peerOf } from "./testbed.ts";

const day = 86_400_000;

test("a peer that says its restart takes a day is held for alive for 15,000 ms, and not longer", () => {
  const one = createMembership({ self: idOf(1), ...config });
  const env = (now: number) => ({ now, wall: 0, random: () => 0.5 });
  const place = { site: "oslo", region: "north" };
  const verdict = (): string | undefined => one.evidence(idOf(2))?.verdict;
  one.handle({ type: "peers", peers: [peerOf(2)], place }, env(0));
  one.handle({ type: "link-opened", link: 7, peer: idOf(2), outbound: true }, env(0));
  one.handle({ type: "frame", link: 7, bytes: encodeFrame({ type: "away", for: day }) }, env(0));
  one.handle({ type: "link-closed", link: 7, end: "closed" }, env(0));
  for (let now = one.wake().at; now < 15_000; now = one.wake().at) {
    one.handle({ type: "wake" }, env(now));
    assert.equal(verdict(), "alive", `at ${now}`);
  }
  assert.equal(one.wake().at, 15_000);
  one.handle({ type: "wake" }, env(15_000));
  assert.equal(verdict(), "unreachable");
});

test("who hangs up a link is held for alive for 5,000 ms at both ends, and not longer where it is not dialled", () => {
  const place = { site: "oslo", region: "north" };
  const env = (now: number) => ({ now, wall: 0, random: () => 0.5 });
  const ends = [1, 2].map((self) => createMembership({ self: idOf(self), ...config }));
  const [one, other] = ends as [Membership, Membership];
  for (const [end, peer] of [[one, 2] as const, [other, 1] as const]) {
    const contact = { ...peerOf(peer), site: "bergen", contact: "accepted" } as const;
    end.handle({ type: "peers", peers: [contact], place }, env(0));
    end.handle({ type: "link-opened", link: 7, peer: idOf(peer), outbound: end === one }, env(0));
  }
  const said = one.handle({ type: "hang-up", link: 7 }, env(10));
  for (const { bytes } of said.filter((effect) => effect.type === "send"))
    other.handle({ type: "frame", link: 7, bytes }, env(10));
  assert.ok(said.some((effect) => effect.type === "close" && effect.link === 7));
  other.handle({ type: "link-closed", link: 7, end: "closed" }, env(10));
  for (const [end, peer] of [[one, 2] as const, [other, 1] as const]) {
    const verdict = (): string | undefined => end.evidence(idOf(peer))?.verdict;
    end.handle({ type: "wake" }, env(5_009));
    assert.equal(verdict(), "alive", `${peer}`);
    end.handle({ type: "wake" }, env(5_010));
    assert.equal(verdict(), "unreachable", `${peer}`);
  }
});
