import assert from "node:assert/strict";
import { test } from "node:test";
import { draftRecord, slotOf, type MeshRecord } from "../records/record.ts";
import { putRecord, sealNext } from "../records/store.ts";
import type { NodeConfig } from "./contract.ts";
import { persist, persisted, persistFailed, storeAgainIfDue } from "./durable.ts";
import { noteHeadsIfDue, readHeads } from "./heads.ts";
import { cameLate, coverAndHold, heldUpTo, notTaken, tendHeld } from "./held.ts";
import { newState } from "./state.ts";
import type { Turn } from "./turn.ts";

/** What a node may promise of the log of one author, step by step: cover, write, stored, refused. */

const author = "aaaaaaaaaaaaaaaaaaaa";
const log = { scope: "mesh", kind: "intent", author } as const;
const crypto = {
  sha256: (bytes: Uint8Array) => Uint8Array.from({ length: 32 }, (_, at) => bytes[at % bytes.length] ?? 0),
};
const signer = { sign: () => new Uint8Array(64) };

function bed() {
  const id = "bbbbbbbbbbbbbbbbbbbb";
  const mesh = { id, name: "m", rootKey: new Uint8Array(32), detail: "mesh" } as const;
  const state = newState({ id, name: "b", site: "s", region: "r", mesh }, { pingEvery: 1 } as NodeConfig);
  const env = { now: 0, crypto } as unknown as Turn["env"];
  const turn = (): Turn => ({
    state,
    env,
    lag: 0,
    out: [],
    fresh: [],
    floorMatches: new Map(),
    voided: new Set(),
  });
  const record = (version: number, key = `intent/${version}`): MeshRecord => {
    const made = draftRecord({ ...log, key, version, body: { version } }, author, crypto);
    sealNext(state.store, [made], false, signer, crypto);
    return made;
  };
  return {
    state,
    turn,
    record,
    /** A push of one record with its cover, as one turn; returns the ticket of its write. */
    receive: (version: number): number => {
      const now = turn();
      const made = record(version);
      cameLate(now, made);
      putRecord(state.store, made);
      coverAndHold(now, {
        ...log,
        from: state.store.logs.get(`mesh intent ${author}`)?.head ?? 0,
        to: version,
      });
      const ticket = persist(now, [made]);
      tendHeld(now);
      return ticket;
    },
    stored: (ticket: number): void => {
      persisted(turn(), ticket);
      tendHeld(turn());
    },
    held: (): number => heldUpTo(state, author),
  };
}

test("what a push covers is held once its write is stored, not when it arrives", () => {
  const { receive, stored, held } = bed();
  const ticket = receive(10);
  assert.equal(held(), 0);
  stored(ticket);
  assert.equal(held(), 10);
});

test("a write that was handed to the disk before, of whatever kind, is waited for too", () => {
  const { turn, record, receive, stored, held } = bed();
  const first = persist(turn(), [record(1, "node/x/status")]);
  const second = receive(10);
  assert.equal(held(), 0);
  stored(first);
  assert.equal(held(), 0);
  stored(second);
  assert.equal(held(), 10);
});

test("under a stream without a pause, what was stored is held while the rest is on its way", () => {
  const { receive, stored, held } = bed();
  let ticket = receive(1);
  for (let version = 2; version <= 100; version++) {
    const next = receive(version);
    stored(ticket);
    assert.ok(held() >= version - 3, `${held()} held at ${version}`);
    ticket = next;
  }
  stored(ticket);
  assert.equal(held(), 100);
});

test("while the disk refuses, nothing more is held, until it was written again", () => {
  const { state, turn, receive, stored, held } = bed();
  stored(receive(10));
  const refused = receive(20);
  persistFailed(turn(), refused, "full");
  tendHeld(turn());
  assert.equal(held(), 10);
  const later = receive(30);
  stored(later);
  assert.equal(held(), 10);
  state.storeAgainAt = 0;
  storeAgainIfDue(turn());
  tendHeld(turn());
  assert.equal(held(), 10);
  stored(state.storingAgain);
  assert.equal(held(), 30);
});

test("records that were set aside, wait for the roster or were refused are not held, nor what comes after", () => {
  const { state, turn, record, receive, stored, held } = bed();
  stored(receive(30));
  const aside = record(25);
  state.setAside.set(slotOf(aside), aside);
  assert.equal(held(), 24);
  const pending = record(15);
  state.pending.set(slotOf(pending), { record: pending, from: undefined });
  assert.equal(held(), 14);
  state.setAside.clear();
  state.pending.clear();
  assert.equal(held(), 30);
  notTaken(turn(), record(20));
  notTaken(turn(), record(22));
  assert.equal(held(), 19);
});

test("a record that comes after its cover is not held before its own write is stored", () => {
  const { state, turn, record, receive, stored, held } = bed();
  stored(receive(30));
  const now = turn();
  const late = record(20);
  cameLate(now, late);
  putRecord(state.store, late);
  const ticket = persist(now, [late]);
  tendHeld(now);
  assert.equal(held(), 19);
  stored(ticket);
  assert.equal(held(), 30);
});

test("what an author wrote after the end of its membership is not held", () => {
  const { state, receive, stored, held } = bed();
  stored(receive(30));
  state.index.goneSince.set(author, 12);
  assert.equal(held(), 12);
});

test("the note of heads says of intents what is on disk, and a restart holds no more than it", () => {
  const { state, turn, receive, stored } = bed();
  stored(receive(10));
  receive(20);
  state.noteHeadsAt = 0;
  const now = turn();
  noteHeadsIfDue(now);
  const [effect] = now.out;
  assert.ok(effect?.type === "persist");
  const after = bed();
  const boot = after.turn();
  assert.ok(readHeads(boot, effect.puts[0]?.bytes ?? new Uint8Array()));
  tendHeld(boot);
  assert.equal(after.held(), 10);
});
