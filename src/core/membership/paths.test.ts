import assert from "node:assert/strict";
import { test } from "node:test";
import type { MembershipEffect } from "./contract.ts";
import { config, idOf, peerOf, Testbed } from "./testbed.ts";
import { createMembership } from "./create-membership.ts";
import { permittedPeers } from "./permitted-peers.ts";

/** Nodes 0 and 1 are of one site, the others of another. */
const twoSites = (at: number): string => (at < 2 ? "oslo" : "bergen");
const isOf =
  (node: number, peer: number, type: MembershipEffect["type"]) =>
  ({ node: by, effect }: Testbed["log"][number]): boolean =>
    by === node && effect.type === type && "peer" in effect && effect.peer === idOf(peer);

const told = (bed: Testbed): string =>
  (bed.nodes[0]?.machine.evidence(idOf(1))?.observations ?? []).map(({ what }) => what).join();

test("two nodes of a site that see each other only through another site get a link through it", () => {
  const bed = new Testbed(3, 1, 5, twoSites);
  bed.cutBoth(0, 1);
  bed.run(20_000);
  assert.equal(bed.verdict(0, 1), "alive");
  assert.notEqual(bed.link(0, 1), undefined);
  assert.equal(bed.link(0, 1), bed.link(1, 0));
  assert.match(told(bed), /through n2/);
});

test("a member of the same site with links to both passes records on, so no link is relayed", () => {
  const bed = new Testbed(3);
  bed.cutBoth(0, 1);
  bed.run(20_000);
  assert.equal(bed.verdict(0, 1), "alive");
  assert.equal(bed.link(0, 1), undefined);
  assert.ok(bed.log.every(({ effect }) => effect.type !== "dial" || effect.relays.length === 0));
  assert.deepEqual(bed.nodes[0]?.machine.relaysTo(idOf(1)), [idOf(2)]);
});

test("a relayed link is not told to others, so nobody relays over it", () => {
  const bed = new Testbed(3, 1, 5, twoSites);
  bed.cutBoth(0, 1);
  bed.run(20_000);
  const links = bed.log.flatMap(({ node, effect }) =>
    node === 0 && effect.type === "links-changed" ? [effect.peers] : [],
  );
  assert.deepEqual(links.at(-1), [idOf(2)]);
});

test("a direct link takes over from a relayed one as soon as it works, and there is always one in use", () => {
  const bed = new Testbed(3, 1, 5, twoSites);
  bed.cutBoth(0, 1);
  bed.run(20_000);
  const relayed = bed.link(0, 1);
  const before = bed.log.length;
  bed.healAll();
  bed.run(2 * config.redialMax);
  const direct = bed.link(0, 1);
  assert.notEqual(direct, relayed);
  assert.equal(direct, bed.link(1, 0));
  const since = bed.log.slice(before);
  assert.ok(since.every(({ effect }) => effect.type !== "verdict-changed"));
  for (const [node, peer] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const [down, up, ...more] = since.filter(
      (entry) => isOf(node, peer, "peer-down")(entry) || isOf(node, peer, "peer-up")(entry),
    );
    assert.deepEqual([down?.effect.type, up?.effect.type, more.length], ["peer-down", "peer-up", 0]);
    assert.equal(down?.at, up?.at);
  }
  bed.run(20_000);
  assert.equal(bed.link(0, 1), direct);
});

test("a direct link that shows no life does not take over from a relayed one", () => {
  const bed = new Testbed(3, 1, 5, twoSites);
  bed.cutBoth(0, 1);
  bed.run(20_000);
  const relayed = bed.link(0, 1);
  bed.tell(0, { type: "link-opened", link: 900, peer: idOf(1), outbound: false });
  bed.run(2_000);
  assert.equal(bed.link(0, 1), relayed);
  bed.run(20_000);
  assert.equal(bed.link(0, 1), relayed);
});

test("when a relay dies another one takes over, and the peer is never held dead", () => {
  const bed = new Testbed(4, 1, 5, twoSites);
  bed.cutBoth(0, 1);
  bed.run(20_000);
  const reasons = (): string => told(bed);
  const first = /through n(\d)/.exec(reasons())?.[1];
  assert.ok(first !== undefined);
  bed.kill(Number(first));
  bed.run(10_000);
  const second = /through n(\d)/.exec(reasons())?.[1];
  assert.ok(second !== undefined && second !== first, reasons());
  assert.notEqual(bed.link(0, 1), undefined);
  const held = bed.log.filter(isOf(0, 1, "verdict-changed"));
  assert.ok(held.every(({ effect }) => effect.type === "verdict-changed" && effect.to !== "dead"));
});

test("when the network of this machine changes, all whom it lacks are dialled at once", () => {
  const one = createMembership({ self: idOf(0), ...config });
  const env = (now: number) => ({ now, wall: 0, random: () => 0.99 });
  const dials = (effects: readonly MembershipEffect[]): number =>
    effects.filter(({ type }) => type === "dial").length;
  const place = { site: "oslo", region: "north" };
  assert.equal(dials(one.handle({ type: "peers", peers: [peerOf(1), peerOf(2)], place }, env(0))), 2);
  for (const peer of [1, 2]) {
    const failed = { type: "dial-failed", peer: idOf(peer), why: "unreachable", detail: "" } as const;
    one.handle(failed, env(1));
  }
  assert.equal(dials(one.handle({ type: "wake" }, env(2))), 0);
  assert.equal(dials(one.handle({ type: "network-changed" }, env(3))), 2);
});

test("what the link policy forbids is closed, not dialled, not taken, and the evidence says why", () => {
  const one = createMembership({ self: idOf(0), ...config });
  const env = { now: 0, wall: 0, random: () => 0.5 };
  const place = { site: "oslo", region: "north" };
  one.handle({ type: "peers", peers: [peerOf(1)], place }, env);
  one.handle({ type: "link-opened", link: 1, peer: idOf(1), outbound: true }, env);
  const forbidden = { ...peerOf(1), forbidden: "link policy p forbids oslo -> bergen" };
  const out = one.handle({ type: "peers", peers: [forbidden], place, permits: () => false }, env);
  assert.deepEqual(out[0], { type: "close", link: 1, end: "ours" });
  assert.equal(one.evidence(idOf(1))?.observations[0]?.what, "link policy p forbids oslo -> bergen");
  const taken = one.handle({ type: "link-opened", link: 2, peer: idOf(1), outbound: false }, env);
  assert.deepEqual(taken, [{ type: "close", link: 2, end: "ours" }]);
  const later = one.handle({ type: "wake" }, { ...env, now: 60_000 });
  assert.ok(later.every(({ type }) => type !== "dial"));
  const again = one.handle({ type: "peers", peers: [peerOf(1)], place }, { ...env, now: 60_001 });
  assert.ok(again.some(({ type }) => type === "dial"));
});

test("permitted links are wanted by both ends or by none, and join any two sites twice, of 20 sites", () => {
  const members = Array.from({ length: 100 }, (_, at) => peerOf(at, `site-${at % 20}`));
  // The first 40 are the gateways: two a site; only they may leave it.
  const permits = (one: string, other: string): boolean => {
    const [near, far] = [Number.parseInt(one, 16), Number.parseInt(other, 16)];
    return near % 20 === far % 20 || (near < 40 && far < 40);
  };
  const wantedBy = new Map(
    members.map((self) => {
      const others = members.filter(({ id }) => id !== self.id);
      return [self.id, permittedPeers(self.id, self, others, permits)] as const;
    }),
  );
  let between = 0;
  for (const [id, wanted] of wantedBy) {
    for (const other of wanted) {
      assert.ok(wantedBy.get(other)?.has(id), `${id} wants ${other}, not the other way`);
      assert.ok(permits(id, other));
      if (Number.parseInt(id, 16) % 20 !== Number.parseInt(other, 16) % 20) between++;
    }
  }
  assert.equal(between / 2, ((20 * 19) / 2) * 2);
});

test("of contacts in other places those are wanted that the policy does not forbid", () => {
  const contact = (at: number) => ({ ...peerOf(at, "bergen"), contact: "wanted" }) as const;
  const peers = [peerOf(1), contact(2), { ...contact(3), forbidden: "link policy p forbids it" }];
  const wanted = permittedPeers(idOf(0), { site: "oslo", region: "north" }, peers, () => true);
  assert.deepEqual([...wanted].sort(), [idOf(1), idOf(2)]);
});

test("the end of a relayed link is no death, though the host that it led to refuses dials for 500 ms", () => {
  const end = (via: string | undefined): string | undefined => {
    const one = createMembership({ self: idOf(1), ...config });
    const env = (now: number) => ({ now, wall: 0, random: () => 0.5 });
    const place = { site: "oslo", region: "north" };
    one.handle({ type: "peers", peers: [peerOf(0), peerOf(2)], place }, env(0));
    one.handle({ type: "link-opened", link: 6, peer: idOf(0), outbound: true }, env(0));
    one.handle({ type: "link-opened", link: 7, peer: idOf(2), outbound: true, via }, env(0));
    one.handle({ type: "link-closed", link: 7, end: "closed" }, env(0));
    for (const now of [1, 501]) {
      const refused = { type: "dial-failed", peer: idOf(2), why: "refused", detail: "" } as const;
      one.handle(refused, env(now));
    }
    return one.evidence(idOf(2))?.verdict;
  };
  assert.equal(end(idOf(0)), "unreachable");
  assert.equal(end(undefined), "dead");
});
