import assert from "node:assert/strict";
import { test } from "node:test";
import { newLink, type Link } from "./peer-state.ts";
import { decodeFrame } from "./frames.ts";
import { config, idOf, Testbed } from "./testbed.ts";
import { noteRoundTrip } from "./timing.ts";

test("of 9 links one beats every 250 ms, give or take 25, so nobody has to notice a silence later than 301 ms after its start", () => {
  const links = 9;
  const bed = new Testbed(links + 1, 3);
  bed.run(8_000);
  const from = bed.now;
  bed.run(10_000);
  const beats = bed.log.filter(
    ({ at, node, effect }) =>
      node === 0 &&
      at > from &&
      effect.type === "send" &&
      ["beat", "ping"].includes(decodeFrame(effect.bytes)?.type ?? ""),
  );
  const round = (config.pingEvery * links) / 4;
  assert.equal(round / links, 250);
  const gaps = beats.slice(1).map(({ at }, before) => at - (beats[before]?.at ?? 0));
  assert.ok(Math.max(...gaps) <= 301, `${Math.max(...gaps)} ms without a sign of life to anybody`);
  assert.ok(Math.abs(beats.length - 40) <= 1, `${beats.length} in 10 s`);
});

test("a round trip of 900 ms in a busy moment counts as 54 ms after one of 2 ms, and is forgotten at the next", () => {
  const link: Link = newLink(1, idOf(1), 3, 0, 1_000, 1_300);
  noteRoundTrip(link, 0, 2);
  noteRoundTrip(link, 10_000, 10_900);
  assert.deepEqual([link.roundTrip, link.wayTrip, link.answeredFrom], [900, 54, 10_000]);
  noteRoundTrip(link, 20_000, 20_003);
  assert.deepEqual([link.roundTrip, link.wayTrip], [3, 3]);
});

test("a way that takes 800 ms from now on is known to within 5 measurements", () => {
  const link: Link = newLink(1, idOf(1), 3, 0, 1_000, 1_300);
  noteRoundTrip(link, 0, 2);
  for (let at = 1; at <= 5; at++) noteRoundTrip(link, 10_000 * at, 10_000 * at + 800);
  assert.equal(link.wayTrip, 800);
});
