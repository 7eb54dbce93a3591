import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { votersMax } from "./contract.ts";
import { claimsMax, decodeMessages, encodeMessages, type Message } from "./frames.ts";
import { decodeRow, encodeRow, type Row } from "./rows.ts";

const id = fc.stringMatching(/^[0-9a-f]{20}$/);
const memory = fc.stringMatching(/^[0-9a-f]{1,16}$/);
const number = fc.nat({ max: 2 ** 31 - 1 });
const name = fc.string({ minLength: 1, maxLength: 200 });
const claims = fc.array(fc.record({ name, epoch: number }), { maxLength: 5 });
const roll = fc
  .record({
    founding: number,
    later: number,
    voters: fc.array(fc.record({ id, memory }), { minLength: 1, maxLength: 5 }),
  })
  .map(({ founding, later, voters }) => ({ founding, number: founding + later, voters }));
const electorate = fc.constantFrom("mesh", "site/oslo");
const vote = fc.record({ name, epoch: number, granted: fc.boolean(), waitMs: number });

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant("hello" as const), electorate, memory }),
  fc.record({ type: fc.constant("hello" as const), electorate, memory, roll }),
  fc.record({ type: fc.constant("ask" as const), electorate, number, round: number, memory, claims }),
  fc.record({
    type: fc.constant("answer" as const),
    electorate,
    number,
    round: number,
    memory,
    votes: fc.array(vote, { maxLength: 5 }),
    clear: fc.boolean(),
    accepted: fc.option(fc.record({ ballot: number, next: roll }), { nil: undefined }),
  }),
  fc.record({ type: fc.constant("release" as const), electorate, claims }),
  fc.record({
    type: fc.constant("accept" as const),
    electorate,
    number,
    ballot: number,
    clear: fc.boolean(),
    next: roll,
  }),
  fc.record({ type: fc.constant("goes-by" as const), electorate, memory, founding: number, number }),
  fc.record({ type: fc.constant("accepted" as const), electorate, number, ballot: number, memory }),
);

test("what is written is read again", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
      const read = decodeMessages(encodeMessages(messages));
      assert.deepEqual(read, { ok: true, value: structuredClone(messages) });
    }),
  );
});

test("any bytes are refused or read, never thrown at", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodeMessages(bytes)));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodeRow(bytes)));
});

test(`a roll of more than ${votersMax} voters, and more than ${claimsMax} claims in a message, are refused`, () => {
  const voters = Array.from({ length: votersMax + 1 }, (_, at) => ({
    id: String(at).padStart(20, "0"),
    memory: "m",
  }));
  const hello = encodeMessages([
    { type: "hello", electorate: "mesh", memory: "m", roll: { founding: 1, number: 1, voters } },
  ]);
  assert.equal(decodeMessages(hello).ok, false);
  const many = Array.from({ length: claimsMax + 1 }, (_, at) => ({ name: String(at), epoch: 1 }));
  const release = encodeMessages([{ type: "release", electorate: "mesh", claims: many }]);
  assert.equal(decodeMessages(release).ok, false);
});

test("a frame of version 0 is refused, one of version 1 or 3 is ignored, a message of a later type ends it", () => {
  assert.deepEqual(decodeMessages(Uint8Array.of(0)), {
    ok: false,
    error: "lease frames of version 0; we speak 2",
  });
  assert.deepEqual(decodeMessages(Uint8Array.of(3, 9, 9)), { ok: true, value: [] });
  assert.deepEqual(decodeMessages(Uint8Array.of(1, 9, 9)), { ok: true, value: [] });
  assert.deepEqual(decodeMessages(Uint8Array.of(2, 200, 5, 5)), { ok: true, value: [] });
});

test("rows of the disk are read again", () => {
  const rows: Row[] = [
    { type: "memory", memory: "abc", original: true },
    {
      type: "roll",
      electorate: "site/oslo",
      roll: { founding: 6, number: 7, voters: [{ id: "0".repeat(20), memory: "abc" }] },
      confirmed: ["0".repeat(20), "1".repeat(20)],
      floor: 9,
      accepted: undefined,
    },
    { type: "promise", electorate: "mesh", name: "n", epoch: 5, holder: { id: "1".repeat(20), memory: "x" } },
    { type: "claim", electorate: "mesh", name: "n", epoch: 5, token: 4 },
  ];
  for (const row of rows) assert.deepEqual(decodeRow(encodeRow(row).bytes), row);
});
