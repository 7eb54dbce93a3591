import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { hex } from "../../core/kernel/bytes.ts";
import type { Signer } from "../../core/kernel/crypto.ts";
import { goneKey, intentKey, linksKey, memberKey } from "../../core/records/keys.ts";
import { nodeIdOf } from "../../core/records/record.ts";
import { sealRecord, storedBytes } from "../../core/records/seal.ts";
import { nodeCrypto, signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { newRecordKey } from "../../shells/identity-file/keys.ts";
import { trustedFrames } from "./introduction-trust.ts";

const newSigner = (): Signer => signerFromPem(newRecordKey().privatePem);
const idOf = (signer: Signer): string => nodeIdOf(signer.publicKey, nodeCrypto);

const [root, enroller, worker, intruder] = [newSigner(), newSigner(), newSigner(), newSigner()];
const mesh = { id: idOf(root), name: "test", rootKey: root.publicKey, detail: "mesh" } as const;

function member(who: Signer, by: Signer, version: number, grants: readonly string[]): Uint8Array {
  const body = {
    name: "n",
    site: "s",
    region: "r",
    signKey: hex(who.publicKey),
    tlsKey: "00".repeat(32),
    grants: [...grants],
    labels: {},
    joinedAt: 0,
  };
  const draft = { scope: "mesh", key: memberKey(idOf(who)), version, kind: "roster", body } as const;
  return storedBytes(sealRecord(draft, idOf(by), by, nodeCrypto), nodeCrypto);
}

function fact(by: Signer, about: Signer, version: number): Uint8Array {
  const draft = {
    scope: "mesh",
    key: linksKey(idOf(about)),
    version,
    kind: "fact",
    body: { peers: [] },
  } as const;
  return storedBytes(sealRecord(draft, idOf(by), by, nodeCrypto), nodeCrypto);
}

function intent(by: Signer, version: number): Uint8Array {
  const ref = { group: "", kind: "ConfigMap", namespace: "default", name: "note" };
  const body = { class: "user", writes: [], fields: {} };
  const draft = { scope: "mesh", key: intentKey(ref, "m"), version, kind: "intent", body } as const;
  return storedBytes(sealRecord(draft, idOf(by), by, nodeCrypto), nodeCrypto);
}

const good = [
  member(enroller, root, 5, ["enrol", "write"]),
  member(worker, enroller, 3, ["write"]),
  fact(worker, worker, 9),
  fact(enroller, enroller, 1),
];

test("a chain from the root is trusted whole, in any order", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(good, { minLength: good.length }), (frames) => {
      const trusted = trustedFrames(frames, mesh);
      assert.equal(trusted.frames.length, good.length);
      assert.deepEqual([...trusted.members.keys()].sort(), [idOf(enroller), idOf(worker)].sort());
    }),
  );
});

test("nothing that a stranger, a member without `enrol` or a changed byte brings is trusted", () => {
  const altered = Uint8Array.from(good[0] ?? []);
  altered[60] = (altered[60] ?? 0) ^ 1;
  const bad = [
    member(intruder, intruder, 1, ["enrol"]),
    member(intruder, worker, 4, ["write"]),
    fact(intruder, intruder, 1),
    fact(worker, enroller, 10),
    altered,
    new Uint8Array([1, 2, 3]),
  ];
  const trusted = trustedFrames([...bad, ...good], mesh);
  assert.equal(trusted.frames.length, good.length);
  assert.equal(trusted.members.has(idOf(intruder)), false);
});

test("of what a revoked member wrote its facts are left out, and what it stamped after its end", () => {
  const body = { how: "revoked", reason: "" };
  const draft = { scope: "mesh", key: goneKey(idOf(worker)), version: 8, kind: "roster", body } as const;
  const gone = storedBytes(sealRecord(draft, idOf(enroller), enroller, nodeCrypto), nodeCrypto);
  const kept = (...more: Uint8Array[]): number => trustedFrames([...good, gone, ...more], mesh).frames.length;
  // Its fact goes, the word of its end comes.
  assert.equal(kept(), good.length);
  assert.equal(kept(fact(worker, worker, 7)), good.length);
  assert.equal(kept(intent(worker, 7)), good.length + 1);
  assert.equal(kept(intent(worker, 9)), good.length);
});
