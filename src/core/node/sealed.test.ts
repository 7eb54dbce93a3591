import assert from "node:assert/strict";
import { test } from "node:test";
import { linksKey } from "../records/keys.ts";
import { findRecord } from "../records/store.ts";
import type { NodeConfig } from "./contract.ts";
import { tellSync } from "./links.ts";
import { publishLinks } from "./own-records.ts";
import { newState } from "./state.ts";
import type { Turn } from "./turn.ts";

const id = "bbbbbbbbbbbbbbbbbbbb";

test("what a turn has made is sealed before the exchange may send it: a frame that comes late finds nothing half-made", () => {
  const mesh = { id, name: "m", rootKey: new Uint8Array(32), detail: "mesh" } as const;
  const state = newState({ id, name: "b", site: "s", region: "r", mesh }, {} as NodeConfig);
  const crypto = { sha256: () => new Uint8Array(32) };
  const signer = { sign: () => new Uint8Array(64) };
  const wall = Date.UTC(2026, 0, 1);
  const env = { now: 0, wall, crypto, signer, random: () => () => 0 } as unknown as Turn["env"];
  const turn: Turn = { state, env, lag: 0, out: [], fresh: [], floorMatches: new Map(), voided: new Set() };
  publishLinks(turn, [], []);
  const own = (): unknown => findRecord(state.store, linksKey(id), id)?.seal;
  assert.equal(own(), undefined);
  tellSync(turn, { type: "wake" });
  assert.notEqual(own(), undefined);
  assert.equal(turn.fresh.length, 1, "and still to be stored and spread");
});
