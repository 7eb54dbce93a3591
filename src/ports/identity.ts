import type { Signer } from "../core/kernel/crypto.ts";
import type { NodeIdentity } from "../core/node/contract.ts";

/** What a node needs to prove who it is. PEM texts; the keys never leave the machine. */
export type Identity = {
  readonly node: NodeIdentity;
  /** Ed25519: signs records. */
  readonly signer: Signer;
  /** ECDSA P-256: authenticates TLS. */
  readonly tls: { readonly keyPem: string; readonly certificatePem: string; readonly caPem: string };
};
