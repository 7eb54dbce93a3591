import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";

/** A private key as PKCS #8 PEM and what others may know of it. */
export type KeyPair = { readonly privatePem: string; readonly publicSpki: Uint8Array };

export const newRecordKey = (): KeyPair => pairOf(generateKeyPairSync("ed25519"));

/** ECDSA P-256 for TLS: every client library speaks it, which is not yet true of Ed25519. */
export const newTlsKey = (): KeyPair => pairOf(generateKeyPairSync("ec", { namedCurve: "P-256" }));

/** The SubjectPublicKeyInfo of a private key. */
export function spkiOf(privatePem: string): Uint8Array {
  return createPublicKey(createPrivateKey(privatePem)).export({ type: "spki", format: "der" });
}

/** How keys are named in the roster and in invites: the SHA-256 of their SubjectPublicKeyInfo, in hex. */
export function fingerprintOf(spki: Uint8Array): string {
  return createHash("sha256").update(spki).digest("hex");
}

/** Whether bytes are the SubjectPublicKeyInfo of a P-256 key: the only kind we certify. */
export function isP256(spki: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    return key.asymmetricKeyDetails?.namedCurve === "prime256v1";
  } catch {
    return false;
  }
}

function pairOf(pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }): KeyPair {
  return {
    privatePem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicSpki: pair.publicKey.export({ type: "spki", format: "der" }),
  };
}
