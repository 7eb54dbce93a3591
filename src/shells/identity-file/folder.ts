import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { dirname, join } from "node:path";
import { hex, fromHex } from "../../core/kernel/bytes.ts";
import { nodeIdOf } from "../../core/records/record.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import type { Identity } from "../../ports/identity.ts";
import { nodeCrypto, signerFromPem } from "../crypto-node/node-crypto.ts";

/**
 * The identity of a node as files, readable by its user only:
 *
 *     identity/node.json      names and ids
 *     identity/sign.key       Ed25519, signs records
 *     identity/tls.key .crt   P-256, authenticates connections
 *     identity/ca.crt         the mesh CA
 *     root/                   the mesh's root keys, on enrollers only
 */

/** The identity cannot be used; nothing was changed. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly type: "missing" | "broken" | "exists";

  constructor(type: IdentityError["type"], message: string) {
    super(message);
    this.type = type;
  }
}

export type IdentityFiles = {
  readonly node: NodeIdentity;
  readonly signKeyPem: string;
  readonly tlsKeyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
};

const identityFolder = (data: string): string => join(data, "identity");

export const hasIdentity = (data: string): boolean => existsSync(join(identityFolder(data), "node.json"));

/** A new Ed25519 key in PKCS #8 PEM. */
export function newSignKey(): string {
  return String(generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }));
}

/** Writes all files; `node.json` comes last, so an identity is there whole or not at all. */
export function saveIdentity(data: string, files: IdentityFiles): void {
  if (hasIdentity(data)) {
    throw new IdentityError(
      "exists",
      `${data} already holds the identity of a node; use another --data folder`,
    );
  }
  const folder = identityFolder(data);
  makeFolder(data);
  makeFolder(folder);
  writeFileDurably(join(folder, "sign.key"), files.signKeyPem);
  writeFileDurably(join(folder, "tls.key"), files.tlsKeyPem);
  writeFileDurably(join(folder, "tls.crt"), files.certificatePem);
  writeFileDurably(join(folder, "ca.crt"), files.caPem);
  const { mesh, ...node } = files.node;
  const json = { ...node, mesh: { ...mesh, rootKey: hex(mesh.rootKey) } };
  writeFileDurably(join(folder, "node.json"), `${JSON.stringify(json, undefined, 2)}\n`);
}

export function loadIdentity(data: string): Identity {
  if (!hasIdentity(data)) {
    throw new IdentityError(
      "missing",
      `${data} holds no identity; run \`starlight init\` or \`starlight join\` first`,
    );
  }
  const folder = identityFolder(data);
  const read = (name: string): string => {
    try {
      return readFileSync(join(folder, name), "utf8");
    } catch (error) {
      throw new IdentityError("broken", `cannot read ${join(folder, name)}: ${String(error)}`);
    }
  };
  const node = nodeOf(read("node.json"), join(folder, "node.json"));
  const [signKey, keyPem, certificatePem, caPem] = [
    read("sign.key"),
    read("tls.key"),
    read("tls.crt"),
    read("ca.crt"),
  ];
  try {
    const signer = signerFromPem(signKey);
    if (nodeIdOf(signer.publicKey, nodeCrypto) !== node.id)
      throw new Error("sign.key is not the key of this node id");
    const publicKey = createPublicKey(createPrivateKey(keyPem)).export({ type: "spki", format: "der" });
    const certified = new X509Certificate(certificatePem).publicKey.export({ type: "spki", format: "der" });
    if (!publicKey.equals(certified)) throw new Error("tls.key and tls.crt do not belong together");
    return { node, signer, tls: { keyPem, certificatePem, caPem } };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new IdentityError(
      "broken",
      `the identity in ${folder} is broken: ${why}; restore it from a backup`,
    );
  }
}

function nodeOf(text: string, path: string): NodeIdentity {
  try {
    const json = JSON.parse(text) as NodeIdentity & { mesh: { rootKey: string } };
    const rootKey = fromHex(json.mesh.rootKey);
    if (rootKey === undefined || json.id === undefined) throw new Error("fields are missing");
    return { ...json, mesh: { ...json.mesh, rootKey } };
  } catch (error) {
    throw new IdentityError("broken", `${path} is not valid: ${String(error)}`);
  }
}

export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}

/** Whole or not at all, also after a power cut: temporary file, fsync, rename, fsync of the folder. */
export function writeFileDurably(path: string, content: string): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", 0o600);
  writeSync(file, content);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}
