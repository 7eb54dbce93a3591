import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { fromHex, hex, utf8 } from "../../core/kernel/bytes.ts";
import { canonical, parseJson, type JsonObject } from "../../core/kernel/json.ts";
import { fields, integer, list, oneOf, optional, text, type Shaped } from "../../core/kernel/shape.ts";
import type { Signer } from "../../core/kernel/crypto.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { isP256, spkiOf } from "../../shells/identity-file/keys.ts";
import { addressesMax } from "../../shells/identity-file/names.ts";

/** What a newcomer sends to `POST /starlight/v1/join`, and what it gets back. */

export const joinPath = "/starlight/v1/join";
/** The same request, answered as if, and nothing is changed. */
export const checkPath = "/starlight/v1/join/check";
export const joinBytesMax = 16 * 1024;
/** A roster of 10,000 nodes with their statuses is about 35 MB. */
export const answerBytesMax = 64 * 1024 * 1024;

const requestShape = fields({
  meshId: text(20),
  /** The enroller it is meant for: another node cannot pass it on as its own. */
  enroller: text(20),
  secret: text(32),
  name: text(63),
  /** Ed25519 public key, 64 hex digits. */
  signKey: text(64),
  /** SubjectPublicKeyInfo of the TLS key, base64. */
  tlsKey: text(400),
  addresses: list(text(300), addressesMax),
  /** The newcomer's wall clock, ms. */
  clock: integer(0, Number.MAX_SAFE_INTEGER),
  /** Signatures by both keys over all the other fields, base64: whoever asks holds the keys. */
  proof: fields({ sign: text(128), tls: text(128) }),
});
export type JoinRequest = Shaped<typeof requestShape>;

const answerShape = fields({
  /** PEM of the newcomer's TLS certificate. */
  certificate: text(16_384),
  ca: text(16_384),
  mesh: fields({
    id: text(20),
    name: text(63),
    rootKey: text(64),
    /** How far detail travels; the mesh when missing. The records of the root prove it. */
    detail: optional(oneOf("mesh", "region", "site")),
  }),
  node: fields({ id: text(20), name: text(63), site: text(63), region: text(63) }),
  /** Record frames, base64: see `introduction.ts`. */
  frames: list(text(2 * 1024 * 1024), 100_000),
});
export type JoinAnswer = Shaped<typeof answerShape>;

/** Why a join was refused. Nothing changed on either side. */
const refusalShape = fields({
  refusal: oneOf(
    /** The request is not one; `detail` says why. */
    "malformed",
    /** No invite of this node has that secret. */
    "unknown-invite",
    "expired",
    /** As many nodes as it allows have joined with it. */
    "used-up",
    /** Another member has the name. */
    "name-taken",
    /** Nodes cannot stand in the invite's region; `detail` says why. */
    "region",
    /** The clocks differ by more than the mesh bears; `detail` has both and says which looks wrong. */
    "clock",
    /** The newcomer did not prove that it holds its keys. */
    "proof",
    /** Too many requests; worth a retry in a while. */
    "busy",
    /** This node cannot admit members (any more). */
    "not-an-enroller",
    /** The enroller's disk refused. */
    "storage",
  ),
  detail: text(1024),
});
export type JoinRefusal = Shaped<typeof refusalShape>;

export const readJoinRequest = (bytes: Uint8Array): JoinRequest | undefined =>
  requestShape(parseJson(bytes, 8));
export const readJoinAnswer = (bytes: Uint8Array): JoinAnswer | undefined => answerShape(parseJson(bytes, 8));
export const readJoinRefusal = (bytes: Uint8Array): JoinRefusal | undefined =>
  refusalShape(parseJson(bytes, 8));

export function proveJoin(
  request: Omit<JoinRequest, "proof" | "signKey" | "tlsKey">,
  signer: Signer,
  tlsKeyPem: string,
): JoinRequest {
  const tlsKey = Buffer.from(spkiOf(tlsKeyPem)).toString("base64");
  const claim = { ...request, signKey: hex(signer.publicKey), tlsKey };
  const bytes = toSign(claim);
  return {
    ...claim,
    proof: {
      sign: Buffer.from(signer.sign(bytes)).toString("base64"),
      tls: sign("sha256", bytes, createPrivateKey(tlsKeyPem)).toString("base64"),
    },
  };
}

/** Whether the sender holds both keys. */
export function proofHolds(request: JoinRequest): boolean {
  const { proof, ...claim } = request;
  const bytes = toSign(claim);
  const signKey = fromHex(request.signKey);
  const spki = Buffer.from(request.tlsKey, "base64");
  if (signKey?.length !== 32 || !isP256(spki)) return false;
  const tlsKey = createPublicKey({ key: spki, format: "der", type: "spki" });
  return (
    nodeCrypto.verify(signKey, bytes, Buffer.from(proof.sign, "base64")) &&
    verify("sha256", bytes, tlsKey, Buffer.from(proof.tls, "base64"))
  );
}

/** The context separates these signatures from any other use of the same keys. */
function toSign(claim: JsonObject): Uint8Array {
  return utf8(`starlight join\0${canonical(claim)}`);
}
