import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from "node:crypto";
import type { Crypto, Signer } from "../../core/kernel/crypto.ts";

/** Ed25519 and SHA-256 from Node's own OpenSSL. Never throws for bytes that came from the network. */
export const nodeCrypto: Crypto = {
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  verify: (publicKey, bytes, signature) => {
    if (publicKey.length !== publicKeyBytes || signature.length !== signatureBytes) return false;
    return verify(null, bytes, keyObjectOf(publicKey), signature);
  },
};

/** The signer of a PKCS #8 Ed25519 key; throws for any other key. */
export function signerFromPem(pem: string): Signer {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== "ed25519") {
    throw new TypeError(`not an Ed25519 key but ${String(key.asymmetricKeyType)}`);
  }
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(-publicKeyBytes)),
    sign: (bytes) => sign(null, bytes, key),
  };
}

const publicKeyBytes = 32;
const signatureBytes = 64;

/** A SubjectPublicKeyInfo of Ed25519 is these bytes and the raw key (RFC 8410, section 4). */
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");

/**
 * Key objects cost about a third of a verification to make. Two generations bound their number: a key
 * that is used while `young` fills up survives, the others go.
 */
const generationKeysMax = 4096;
let young = new Map<string, KeyObject>();
let old: ReadonlyMap<string, KeyObject> = new Map();

function keyObjectOf(publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey).toString("latin1");
  const held = young.get(name);
  if (held !== undefined) return held;
  const key = old.get(name) ?? makeKeyObject(publicKey);
  if (young.size >= generationKeysMax) {
    old = young;
    young = new Map();
  }
  young.set(name, key);
  return key;
}

function makeKeyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: "der", type: "spki" });
}
