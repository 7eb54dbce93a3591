import assert from "node:assert/strict";
import { test } from "node:test";
import { versionAt } from "../kernel/hybrid-clock.ts";
import { acksKey, linksKey } from "../records/keys.ts";
import { bodyOf, draftRecord, type MeshRecord } from "../records/record.ts";
import { cover, logOf, putRecord, sealNext } from "../records/store.ts";
import type { NodeConfig } from "./contract.ts";
import { indexRecord } from "./records-index.ts";
import { restamp } from "./restamp.ts";
import { newState } from "./state.ts";
import type { Turn } from "./turn.ts";

/** What a clock that was ten years ahead left in a node's state, once the time is known. */

const [self, other] = ["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"];
const crypto = {
  sha256: (bytes: Uint8Array) => Uint8Array.from({ length: 32 }, (_, at) => bytes[at % bytes.length] ?? 0),
};
const wall = Date.UTC(2026, 0, 1);
const wrong = Date.UTC(2036, 0, 1);

function bed() {
  const mesh = { id: "m", name: "m", rootKey: new Uint8Array(32), detail: "mesh" } as const;
  const config = { driftMax: 600_000, compareEvery: 5_000 } as NodeConfig;
  const state = newState({ id: self, name: "a", site: "s", region: "r", mesh }, config);
  const env = { now: 0, wall, crypto } as unknown as Turn["env"];
  const turn: Turn = { state, env, lag: 0, out: [], fresh: [], floorMatches: new Map(), voided: new Set() };
  const put = (
    author: string,
    kind: "intent" | "fact",
    key: string,
    at: number,
    body: object,
  ): MeshRecord => {
    const draft = { scope: "mesh", kind, key, version: versionAt(at), body: { ...body } } as const;
    const made = draftRecord(draft, author, crypto);
    sealNext(state.store, [made], false, { sign: () => new Uint8Array(64) }, crypto);
    putRecord(state.store, made);
    indexRecord(state.index, made);
    state.clock.last = Math.max(state.clock.last, made.version);
    return made;
  };
  const held = (key: string): MeshRecord | undefined =>
    [...state.store.bySlot.values()].find((record) => record.key === key);
  return { state, turn, put, held };
}

test("an own record keeps its body but for what it said of heads, which is said anew later", () => {
  const { turn, put, held } = bed();
  put(self, "fact", linksKey(self), wrong, { peers: [other] });
  const acks = { scope: "mesh", kind: "intent", author: other, head: versionAt(wrong) };
  put(self, "fact", acksKey(self), wrong, { logs: [acks] });
  restamp(turn, wall);
  const [links, said] = [held(linksKey(self)), held(acksKey(self))];
  assert.ok(links !== undefined && said !== undefined);
  assert.deepEqual(bodyOf(links), { peers: [other] });
  assert.deepEqual(bodyOf(said), { logs: [] });
  assert.ok(Math.max(links.version, said.version) <= versionAt(wall + 600_000));
});

test("what others wrote in that future is kept aside, and their logs are known as far as they go without it", () => {
  const { state, turn, put, held } = bed();
  const before = put(other, "intent", "intent/core/ConfigMap/default/before/m", wall, { class: "user" });
  const then = put(other, "intent", "intent/core/ConfigMap/default/then/m", wrong, { class: "user" });
  cover(state.store, then, 0, then.version);
  state.wholeUpTo.set(`mesh intent ${other}`, then.version);
  restamp(turn, wall);
  assert.equal(held(then.key), undefined);
  assert.deepEqual([...state.setAside.values()], [then]);
  assert.equal(logOf(state.store, before).head, before.version);
  assert.equal(state.wholeUpTo.size, 0);
});

test("nothing happens to records of a node whose clock was right", () => {
  const { state, turn, put } = bed();
  put(self, "fact", linksKey(self), wall, { peers: [other] });
  put(other, "fact", linksKey(other), wall + 599_000, { peers: [self] });
  const before = [...state.store.bySlot.values()];
  restamp(turn, wall);
  assert.deepEqual([...state.store.bySlot.values()], before);
});
