/**
 * The cryptography the core needs, as deterministic functions handed in by the world.
 * Ed25519 (RFC 8032): public keys are 32 raw bytes, signatures 64. SHA-256: 32 bytes.
 */
export type Crypto = {
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  /**
   * One piece of memory for what has equal hashes, where very many nodes live in one process: the
   * simulator's. What is shared never changes.
   */
  readonly share?: (<T extends object>(hash: Uint8Array, make: () => T) => T) | undefined;
  readonly verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;
};

/** This machine's signing key. */
export type Signer = {
  readonly publicKey: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
};
