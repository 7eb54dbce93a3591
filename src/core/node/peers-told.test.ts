import assert from "node:assert/strict";
import { test } from "node:test";
import type { Peer } from "../membership/contract.ts";
import { areSamePeers } from "./peers-told.ts";

const peer: Peer = {
  id: "0",
  name: "a",
  site: "s",
  region: "r",
  addresses: ["a:7070"],
  pace: 1,
  contact: "wanted",
};

test("peers are the same when all that membership is told of each of them is", () => {
  assert.ok(areSamePeers([peer], [{ ...peer, addresses: [...peer.addresses] }]));
  const others: readonly Partial<Peer>[] = [
    { id: "1" },
    { name: "b" },
    { site: "t" },
    { region: "q" },
    { addresses: ["a:7071"] },
    { addresses: [] },
    { pace: 8 },
    { contact: "accepted" },
    { contact: undefined },
    { forbidden: "a link policy" },
  ];
  for (const other of others)
    assert.ok(!areSamePeers([peer], [{ ...peer, ...other }]), JSON.stringify(other));
  assert.ok(!areSamePeers([peer], []));
  assert.ok(!areSamePeers([peer], [peer, peer]));
});
