import { createHash, hash } from "node:crypto";
import { hex } from "../core/kernel/bytes.ts";
import type { Crypto, Signer } from "../core/kernel/crypto.ts";

/**
 * Signatures for the simulator: keyed hashes whose keys only this object knows. They cost microseconds
 * where Ed25519 costs a hundred, and a node that lacks a key still cannot sign with it.
 */
export type SimCrypto = Crypto & { readonly signer: (name: string) => Signer };

/** @param sharing Equal records of all nodes are one piece of memory; those that are gone stay, too. */
export function createSimCrypto(seed: number, sharing = false): SimCrypto {
  const sharedByHash = new Map<string, object>();
  const share = <T extends object>(hash: Uint8Array, make: () => T): T => {
    const name = Buffer.from(hash.buffer, hash.byteOffset, 16).toString("latin1");
    const held = sharedByHash.get(name);
    if (held !== undefined) return held as T;
    const made = make();
    sharedByHash.set(name, made);
    return made;
  };
  const secretByKey = new Map<string, Uint8Array>();
  const mac = (secret: Uint8Array, bytes: Uint8Array): Uint8Array =>
    createHash("sha512").update(secret).update(bytes).digest();
  return {
    sha256,
    share: sharing ? share : undefined,
    verify: (publicKey, bytes, signature) => {
      const secret = secretByKey.get(hex(publicKey));
      return secret !== undefined && Buffer.compare(mac(secret, bytes), signature) === 0;
    },
    signer: (name) => {
      const secret = sha256(Buffer.from(`secret ${seed} ${name}`));
      const publicKey = sha256(secret);
      secretByKey.set(hex(publicKey), secret);
      return { publicKey, sign: (bytes) => mac(secret, bytes) };
    },
  };
}

function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}
