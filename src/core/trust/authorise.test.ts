import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { nodeCrypto, signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { hex } from "../kernel/bytes.ts";
import type { Signer } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import type { Json, JsonObject } from "../kernel/json.ts";
import type { Grant, MemberBody } from "../records/bodies.ts";
import {
  goneKey,
  healKey,
  intentKey,
  linksKey,
  memberKey,
  podKey,
  statusKey,
  type ObjectRef,
} from "../records/keys.ts";
import { nodeIdOf, type MeshRecord, type NodeId, type RecordKind } from "../records/record.ts";
import { openStored, sealRecord, storedBytes } from "../records/seal.ts";
import { refusalOf, type TrustView } from "./authorise.ts";

type Identity = { readonly id: NodeId; readonly signer: Signer };

function newIdentity(): Identity {
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = signerFromPem(String(privateKey.export({ format: "pem", type: "pkcs8" })));
  return { id: nodeIdOf(signer.publicKey, nodeCrypto), signer };
}

function member({ signer }: Identity, grants: readonly Grant[]): MemberBody {
  return {
    name: "n",
    site: "oslo",
    region: "north",
    signKey: hex(signer.publicKey),
    tlsKey: "0".repeat(64),
    grants,
    labels: {},
    joinedAt: 0,
  };
}

const root = newIdentity();
const plain = newIdentity();
const writer = newIdentity();
const enroller = newIdentity();
const newcomer = newIdentity();

const members: ReadonlyMap<NodeId, MemberBody> = new Map([
  [plain.id, member(plain, [])],
  [writer.id, member(writer, ["write"])],
  [enroller.id, member(enroller, ["enrol"])],
]);

const trust = (gone: { readonly [id: NodeId]: Version } = {}): TrustView => ({
  root: { id: root.id, publicKey: root.signer.publicKey },
  member: (id) => members.get(id),
  detail: "mesh",
  goneSince: (id) => gone[id],
});

type Draft = {
  readonly key: string;
  readonly kind: RecordKind;
  readonly body?: Json | undefined;
  readonly version?: Version;
};

function seal(by: Identity, { key, kind, body, version = 10 }: Draft): MeshRecord {
  return received(sealRecord({ scope: "mesh", key, version, kind, body }, by.id, by.signer, nodeCrypto));
}

/** The record as it comes to another node, that is: with a signature nobody has looked at. */
function received(record: MeshRecord): MeshRecord {
  const opened = openStored(storedBytes(record, nodeCrypto), nodeCrypto);
  assert.ok(opened.ok);
  return opened.value;
}

const ref: ObjectRef = { group: "apps", kind: "Deployment", namespace: "shop", name: "web" };
const intent: Draft = { key: intentKey(ref, "apply:kubectl"), kind: "intent", body: {} };
const admission: Draft = {
  key: memberKey(newcomer.id),
  kind: "roster",
  body: member(newcomer, []) as unknown as JsonObject,
};
const endOf = (id: NodeId, how: "left" | "revoked" = "revoked"): Draft => ({
  key: goneKey(id),
  kind: "roster",
  body: { how, reason: "test" },
});
const factsOf = (id: NodeId): readonly Draft[] =>
  [statusKey(id), linksKey(id), healKey(id), podKey(id, "u1")].map((key) => ({
    key,
    kind: "fact",
    body: {},
  }));

const judge = (record: MeshRecord, gone: { readonly [id: NodeId]: Version } = {}): string =>
  refusalOf(record, trust(gone), nodeCrypto)?.type ?? "accepted";
const why = (record: MeshRecord, gone: { readonly [id: NodeId]: Version } = {}): string => {
  const refusal = refusalOf(record, trust(gone), nodeCrypto);
  assert.ok(refusal?.type === "forbidden", refusal?.type ?? "accepted");
  return refusal.why;
};

const everybody = { root, plain, writer, enroller };
const namesOf = (test: (who: Identity) => boolean): string[] =>
  Object.entries(everybody).flatMap(([name, who]) => (test(who) ? [name] : []));

test("a member writes its own facts, of every sort, and tombstones of them", () => {
  for (const fact of factsOf(plain.id)) {
    assert.equal(judge(seal(plain, fact)), "accepted", fact.key);
    assert.equal(judge(seal(plain, { ...fact, body: undefined })), "accepted", fact.key);
  }
});

test("nobody writes the facts of another: no member, no enroller, not the root", () => {
  for (const who of [root, writer, enroller])
    for (const fact of factsOf(plain.id))
      assert.match(why(seal(who, fact)), /may write its own facts/, fact.key);
});

test("intents are written by those with the grant `write` alone", () => {
  assert.deepEqual(
    namesOf((who) => judge(seal(who, intent)) === "accepted"),
    ["writer"],
  );
  assert.match(why(seal(plain, intent)), /no grant to write/);
});

test("members are admitted by the root and by those with the grant `enrol` alone", () => {
  assert.deepEqual(
    namesOf((who) => judge(seal(who, admission)) === "accepted"),
    ["root", "enroller"],
  );
});

test("a membership is ended by the member itself, the root or an enroller", () => {
  assert.deepEqual(
    namesOf((who) => judge(seal(who, endOf(plain.id))) === "accepted"),
    ["root", "plain", "enroller"],
  );
  assert.match(why(seal(writer, endOf(plain.id))), /only the member itself or an enroller/);
});

test("nobody ends the root: no enroller, no member, not the root itself", () => {
  for (const who of Object.values(everybody))
    for (const how of ["left", "revoked"] as const)
      assert.match(why(seal(who, endOf(root.id, how))), /nobody ends the mesh root/);
});

test("an author that is not on the roster is unknown, not forbidden, for every key we know", () => {
  const drafts = [intent, admission, endOf(newcomer.id), ...factsOf(newcomer.id), ...factsOf(plain.id)];
  for (const draft of drafts) assert.equal(judge(seal(newcomer, draft)), "unknown-author", draft.key);
});

test("a key of a later version is taken from whoever may write its neighbours, and from members elsewhere", () => {
  const cases: readonly (readonly [string, RecordKind, readonly string[]])[] = [
    [`node/${plain.id}/secrets`, "fact", ["plain"]],
    [`node/${plain.id}/secrets`, "later-3", ["plain"]],
    ["roster/root", "roster", ["root", "enroller"]],
    ["roster/root", "later-15", ["root", "enroller"]],
    ["policy/x", "roster", ["root", "enroller"]],
    ["intent/x", "intent", ["writer"]],
    ["intent/x", "later-3", ["writer"]],
    ["policy/x", "intent", ["writer"]],
    ["policy/x", "later-3", Object.keys(everybody)],
    ["", "fact", Object.keys(everybody)],
  ];
  for (const [key, kind, names] of cases) {
    const accepted = namesOf((who) => judge(seal(who, { key, kind, body: {} })) === "accepted");
    assert.deepEqual(accepted, names, `${key} ${kind}`);
    assert.notEqual(judge(seal(newcomer, { key, kind, body: {} })), "accepted", `${key} ${kind}`);
  }
});

test("a grant of a later version is no obstacle to a member's admission, and allows nothing here", () => {
  const { body = {} } = admission as { readonly body?: object };
  const later = { ...admission, body: { ...body, grants: ["halt-the-fleet"] } as Json };
  assert.equal(judge(seal(enroller, later)), "accepted");
});

test("a record of a kind that its key does not have is forbidden", () => {
  const kinds: readonly RecordKind[] = ["roster", "intent", "fact"];
  const drafts: readonly (readonly [Identity, Draft])[] = [
    [writer, intent],
    [enroller, admission],
    [plain, endOf(plain.id, "left")],
    ...factsOf(plain.id).map((fact) => [plain, fact] as const),
  ];
  for (const [who, draft] of drafts) {
    const accepted = kinds.filter((kind) => judge(seal(who, { ...draft, kind })) === "accepted");
    assert.deepEqual(accepted, [draft.kind], draft.key);
  }
});

test("a signature by another key is forbidden, though its author may write the record", () => {
  const forged = sealRecord(
    { scope: "mesh", key: statusKey(plain.id), version: 10, kind: "fact", body: {} },
    plain.id,
    writer.signer,
    nodeCrypto,
  );
  assert.match(why(received(forged)), /signature does not match/);
});

test("any flipped bit of the body or the signature is forbidden", () => {
  const record = seal(plain, { key: statusKey(plain.id), kind: "fact", body: { a: 1 } });
  const stored = storedBytes(record, nodeCrypto);
  assert.ok(record.frame.length < 128);
  // The frame begins behind the format and its length in one byte.
  const body = 2 + record.frame.length - 1 - record.body.length;
  const places = [...record.body.keys()].map((at) => body + at);
  for (let at = stored.length - 64; at < stored.length; at++) places.push(at);
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.nat(7), (at, bit) => {
      const bytes = stored.slice();
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      const opened = openStored(bytes, nodeCrypto);
      assert.ok(opened.ok);
      assert.equal(judge(opened.value), "forbidden");
    }),
  );
});

test("what a revoked author wrote up to its end at version 10 counts, and from version 11 on is void", () => {
  const gone = { [writer.id]: 10 };
  assert.equal(judge(seal(writer, { ...intent, version: 9 }), gone), "accepted");
  assert.equal(judge(seal(writer, { ...intent, version: 10 }), gone), "accepted");
  assert.match(why(seal(writer, { ...intent, version: 11 }), gone), /left or was revoked/);
  assert.equal(
    judge(seal(plain, { key: statusKey(plain.id), kind: "fact", body: {}, version: 11 }), gone),
    "accepted",
  );
});

test("a revoked enroller admits and revokes nobody any more", () => {
  const gone = { [enroller.id]: 10 };
  assert.match(why(seal(enroller, { ...admission, version: 11 }), gone), /left or was revoked/);
  assert.match(why(seal(enroller, { ...endOf(plain.id), version: 11 }), gone), /left or was revoked/);
});

test("a member record that is no member, or whose key is not that of its node id, is forbidden", () => {
  const body = admission.body as JsonObject;
  const wrong: readonly (readonly [Json | undefined, RegExp])[] = [
    [undefined, /not a valid member/],
    [{}, /not a valid member/],
    [{ ...body, grants: Array.from({ length: 33 }, () => "write") }, /not a valid member/],
    [{ ...body, signKey: "xyz" }, /not 32 bytes/],
    [{ ...body, signKey: "00".repeat(31) }, /not 32 bytes/],
    [{ ...body, signKey: hex(plain.signer.publicKey) }, /does not belong/],
  ];
  for (const [body, reason] of wrong) assert.match(why(seal(root, { ...admission, body })), reason);
});

test("an end of membership without a manner is forbidden, and a tombstone of one too", () => {
  for (const body of [undefined, {}, { how: 7, reason: "" }, { how: "left", reason: "x".repeat(1025) }])
    assert.match(why(seal(root, { ...endOf(plain.id), body })), /not a valid end/);
});

test("the verdict does not depend on what was judged before: the same view gives the same answer", () => {
  const records = [intent, admission, endOf(plain.id), ...factsOf(plain.id)].flatMap((draft) =>
    Object.values(everybody).map((who) => seal(who, draft)),
  );
  const once = records.map((record) => judge(record));
  const again = records.toReversed().map((record) => judge(record));
  assert.deepEqual(again.toReversed(), once);
});
