import assert from "node:assert/strict";
import { test } from "node:test";
import { floorsKey } from "../records/keys.ts";
import { digestOf } from "../records/log.ts";
import { draftRecord, type MeshRecord } from "../records/record.ts";
import { putRecord, sealNext } from "../records/store.ts";
import type { NodeConfig } from "./contract.ts";
import { indexRecord } from "./records-index.ts";
import { newState } from "./state.ts";
import { isCollected } from "./tombstones.ts";
import type { Turn } from "./turn.ts";

/** Floors that others say, against the records that come after them. */

const author = "aaaaaaaaaaaaaaaaaaaa";
const crypto = {
  sha256: (bytes: Uint8Array) => Uint8Array.from({ length: 32 }, (_, at) => bytes[at % bytes.length] ?? 0),
};

function bed() {
  const mesh = { id: "m", name: "m", rootKey: new Uint8Array(32), detail: "mesh" } as const;
  const identity = { id: "bbbbbbbbbbbbbbbbbbbb", name: "b", site: "s", region: "r", mesh };
  const state = newState(identity, {} as NodeConfig);
  const env = { now: 0, crypto } as unknown as Turn["env"];
  const turn: Turn = { state, env, lag: 0, out: [], fresh: [], floorMatches: new Map(), voided: new Set() };
  const record = (kind: "intent" | "fact", key: string, version: number, body: object): MeshRecord => {
    const made = draftRecord({ scope: "mesh", kind, key, version, body: { ...body } }, author, crypto);
    sealNext(state.store, [made], false, { sign: () => new Uint8Array(64) }, crypto);
    return made;
  };
  return { state, turn, record };
}

test("a record below a floor that we agree with was deleted; one beyond the floor's own word was not written yet", () => {
  for (const [upTo, collected] of [
    [2_500, true],
    [1e15, false],
  ] as const) {
    const { state, turn, record } = bed();
    const left = record("intent", "intent/core/ConfigMap/default/left/m", 500, { class: "user" });
    putRecord(state.store, left);
    const logs = [{ scope: "mesh", kind: "intent", upTo, digest: digestOf([left]) }];
    const floors = record("fact", floorsKey(author), 3_000, { logs });
    putRecord(state.store, floors);
    indexRecord(state.index, floors);
    const late = record("intent", "intent/core/ConfigMap/default/late/m", 2_000, { class: "user" });
    assert.equal(isCollected(turn, late), collected, `${upTo}`);
  }
});
