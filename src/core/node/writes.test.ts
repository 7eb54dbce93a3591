import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../intents/contract.ts";
import type { JsonObject } from "../kernel/json.ts";
import { logName } from "../records/log.ts";
import { bodyOf, type MeshRecord } from "../records/record.ts";
import { dropRecord, putRecord } from "../records/store.ts";
import type { NodeConfig } from "./contract.ts";
import { persisted } from "./durable.ts";
import { heldUpTo, tendHeld } from "./held.ts";
import { indexRecord } from "./records-index.ts";
import { restamp } from "./restamp.ts";
import { newState } from "./state.ts";
import type { Turn } from "./turn.ts";
import { objectVoided } from "./voided.ts";
import { writeAsked, writeStored } from "./writes.ts";

/** A user's write between the request and the disk's answer. */

const id = "bbbbbbbbbbbbbbbbbbbb";
const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "note" };

function bed(self = id) {
  const mesh = { id, name: "m", rootKey: new Uint8Array(32), detail: "mesh" } as const;
  const state = newState({ id: self, name: "b", site: "s", region: "r", mesh }, {
    compareEvery: 5_000,
    driftMax: 600_000,
  } as NodeConfig);
  state.ownLogsWhole = true;
  const sha256 = (bytes: Uint8Array): Uint8Array =>
    Uint8Array.from({ length: 32 }, (_, at) => bytes[at % bytes.length] ?? 0);
  const signer = { sign: () => new Uint8Array(64) };
  const wall = Date.UTC(2026, 0, 1);
  const env = { now: 0, wall, crypto: { sha256 }, signer, random: () => () => 0 } as unknown as Turn["env"];
  const turn: Turn = { state, env, lag: 0, out: [], fresh: [], floorMatches: new Map(), voided: new Set() };
  const write = (request: number, text: string, more: JsonObject = {}): void => {
    const value = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "note", namespace: "default" },
      data: { text, ...more },
    };
    const change: Change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" };
    writeAsked(turn, { type: "write", request, changes: [change], actor: "me", dryRun: false });
  };
  const log = { scope: "mesh", kind: "intent", author: id } as const;
  return { state, turn, write, head: () => state.store.logs.get(logName(log))?.head ?? 0 };
}

test("the head of the own log moves when the disk has the write: until then peers are not told of it", () => {
  const { state, turn, write, head } = bed();
  write(1, "one");
  const ticket = state.inFlight?.ticket ?? 0;
  const version = state.inFlight?.records[0]?.version ?? 0;
  assert.ok(version > 0);
  assert.equal(head(), 0);
  persisted(turn, ticket);
  writeStored(turn, ticket);
  tendHeld(turn);
  assert.equal(head(), version);
  assert.equal(heldUpTo(state, id), version);
});

test("the reply names the slots that the outcome stands in, also of a request that changes nothing", () => {
  const { state, turn, write } = bed();
  for (const request of [1, 2]) {
    write(request, "same");
    const ticket = state.inFlight?.ticket;
    if (ticket !== undefined) writeStored(turn, ticket);
  }
  const slots = turn.out.flatMap((effect) =>
    effect.type === "reply" && effect.reply.ok ? [effect.reply.value.slots] : [],
  );
  assert.equal(slots.length, 2);
  assert.equal(slots[0]?.length, 1);
  assert.deepEqual(slots[1], slots[0]);
});

test("what becomes void while a write is on its way to the disk does not leave half of the object behind", () => {
  const other = bed("cccccccccccccccccccc");
  other.write(1, "one", { more: "kept" });
  const [theirs] = other.state.inFlight?.records ?? [];
  assert.ok(theirs);
  const { state, turn, write } = bed();
  putRecord(state.store, theirs);
  indexRecord(state.index, theirs);
  write(2, "two", { more: "kept" });
  const { ticket = 0, records = [] } = state.inFlight ?? {};
  assert.ok(!JSON.stringify(bodyOf(records[0] as MeshRecord)).includes("kept"));
  dropRecord(state.store, theirs);
  indexRecord(state.index, theirs, true);
  objectVoided(turn, ref);
  // From beyond a heal at the same moment: who wrote the whole object had not seen it.
  const third = bed("dddddddddddddddddddd");
  third.write(3, "zero", { unseen: "kept" });
  const [unseen] = third.state.inFlight?.records ?? [];
  assert.ok(unseen);
  putRecord(state.store, unseen);
  indexRecord(state.index, unseen);
  writeStored(turn, ticket);
  assert.equal(turn.out.filter(({ type }) => type === "reply").length, 0);
  writeStored(turn, state.inFlight?.ticket ?? 0);
  const replies = turn.out.flatMap((effect) => (effect.type === "reply" ? [effect] : []));
  assert.deepEqual(
    replies.map(({ request, reply }) => [request, reply.ok && reply.value.objects[0]?.value["data"]]),
    [[2, { text: "two", more: "kept", unseen: "kept" }]],
  );
});

test("a write that was stamped before the clock was put right is written anew as what stood on the disk is", () => {
  const { state, turn, write } = bed();
  write(1, "one");
  const { ticket = 0, records = [] } = state.inFlight ?? {};
  const before = records[0]?.version ?? 0;
  const right = turn.env.wall - 365 * 86_400_000;
  restamp(turn, right);
  writeStored(turn, ticket);
  restamp(turn, right);
  const [after] = [...state.store.bySlot.values()];
  assert.ok(after !== undefined && after.version < before, `${after?.version} ${before}`);
});
