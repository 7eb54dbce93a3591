import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { createSimCrypto } from "../../sim/sim-crypto.ts";
import { memberKey } from "../records/keys.ts";
import { nodeIdOf } from "../records/record.ts";
import { sealRecord, storedBytes } from "../records/seal.ts";
import { credentialsMax, decodeIntroduction, encodeIntroduction, whoMax } from "./introduction-frames.ts";

const crypto = createSimCrypto(1);
const root = crypto.signer("root");
const rootId = nodeIdOf(root.publicKey, crypto);
const recordOf = (number: number) => {
  const id = nodeIdOf(crypto.sha256(Uint8Array.of(number)), crypto);
  const body = { name: `n${number}` };
  const draft = { scope: "site:oslo", key: memberKey(id), version: 1, kind: "roster", body } as const;
  return sealRecord(draft, rootId, root, crypto);
};
const some = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);

test("credentials and questions come back as they were, up to 128 records and 64 ids", () => {
  const records = some(credentialsMax, recordOf(1));
  const shown = decodeIntroduction(encodeIntroduction({ type: "credentials", records }, crypto), crypto);
  assert.equal(shown?.type, "credentials");
  assert.deepEqual(
    shown?.type === "credentials" ? shown.records.map((record) => storedBytes(record, crypto)) : [],
    records.map((record) => storedBytes(record, crypto)),
  );
  const ids = some(whoMax, rootId);
  assert.deepEqual(decodeIntroduction(encodeIntroduction({ type: "who", ids }, crypto), crypto), {
    type: "who",
    ids,
  });
});

test("129 records, 65 ids, a cut frame and bytes behind the end are no introduction", () => {
  const read = (bytes: Uint8Array): unknown => decodeIntroduction(bytes, crypto);
  const records = some(credentialsMax + 1, recordOf(1));
  assert.equal(read(encodeIntroduction({ type: "credentials", records }, crypto)), undefined);
  assert.equal(read(encodeIntroduction({ type: "who", ids: some(whoMax + 1, rootId) }, crypto)), undefined);
  const whole = encodeIntroduction({ type: "credentials", records: [recordOf(1), recordOf(2)] }, crypto);
  for (let length = 0; length < whole.length; length++)
    assert.equal(read(whole.subarray(0, length)), undefined);
  assert.equal(read(Uint8Array.of(...whole, 0)), undefined);
});

test("any bytes are read without an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodeIntroduction(bytes, crypto);
    }),
  );
});
