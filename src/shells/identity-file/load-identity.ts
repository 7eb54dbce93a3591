import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fromHex } from "../../core/kernel/bytes.ts";
import type { Signer } from "../../core/kernel/crypto.ts";
import { parseJson } from "../../core/kernel/json.ts";
import { fields, integer, oneOf, optional, text, type Shaped } from "../../core/kernel/shape.ts";
import { nodeIdOf } from "../../core/records/record.ts";
import type { Identity } from "../../ports/identity.ts";
import { nodeCrypto, signerFromPem } from "../crypto-node/node-crypto.ts";
import { spiffeIdOf } from "./certificates.ts";
import { finishFolder, readText } from "./durable-files.ts";
import { guarded, IdentityError } from "./identity-error.ts";
import { unpackFrames } from "./introduction.ts";
import { spkiOf } from "./keys.ts";
import { caKeyFile, identityFiles, layoutOf } from "./layout.ts";
import { isRegion, regionRefused } from "../../core/records/scope.ts";

export type LoadedIdentity = Identity & {
  /** When the node became a member, by the clock of whoever admitted it. */
  readonly createdAt: number;
  /** Files that others on this machine may read and should not. One sentence each. */
  readonly warnings: readonly string[];
};

const meshFile = fields({
  format: integer(1, 1),
  mesh: fields({
    id: text(20),
    name: text(63),
    rootKey: text(64),
    detail: optional(oneOf("mesh", "region", "site")),
  }),
  node: fields({ id: text(20), name: text(63), site: text(63), region: text(63) }),
  createdAt: integer(0, Number.MAX_SAFE_INTEGER),
});

/** The identity in a data folder, checked as a whole. Throws an `IdentityError`. */
export function loadIdentity(directory: string): LoadedIdentity {
  const layout = layoutOf(directory);
  if (!existsSync(layout.identity)) throw new IdentityError({ type: "missing", directory });
  finishFolder(directory, "identity");
  const at = (file: string): string => join(layout.identity, file);
  const mesh = readMesh(at(identityFiles.mesh));
  const signer = readSigner(at(identityFiles.nodeKey), mesh.node.id);
  const caPem = readText(at(identityFiles.ca));
  const keyPem = readText(at(identityFiles.tlsKey));
  const certificatePem = readText(at(identityFiles.tlsCertificate));
  checkCertificate({ path: at(identityFiles.tlsCertificate), certificatePem, keyPem, caPem, mesh });
  if (!isRegion(mesh.node.region))
    throw broken(at(identityFiles.mesh), regionRefused("the region", mesh.node.region));
  const rootKey = fromHex(mesh.mesh.rootKey);
  if (rootKey === undefined || nodeIdOf(rootKey, nodeCrypto) !== mesh.mesh.id) {
    throw broken(at(identityFiles.mesh), "the root key does not belong to the mesh id");
  }
  const { id, name, detail = "mesh" } = mesh.mesh;
  const node = { ...mesh.node, mesh: { id, name, rootKey, detail } };
  const secrets = [identityFiles.nodeKey, identityFiles.tlsKey].map(at);
  const warnings = [...secrets, join(layout.enroller, caKeyFile)].flatMap(readableByOthers);
  return { node, signer, tls: { keyPem, certificatePem, caPem }, createdAt: mesh.createdAt, warnings };
}

/** The frames a node starts life with. */
export function loadIntroduction(directory: string): readonly Uint8Array[] {
  const path = join(layoutOf(directory).identity, identityFiles.introduction);
  const frames = unpackFrames(guarded(path, () => readFileSync(path)));
  if (frames === undefined) throw broken(path, "the file is not whole");
  return frames;
}

/** The CA's key; throws where the folder has none. */
export function loadCaKey(directory: string): string {
  const path = join(layoutOf(directory).enroller, caKeyFile);
  if (!existsSync(path)) throw new IdentityError({ type: "not-an-enroller", directory });
  return readText(path);
}

export const isEnroller = (directory: string): boolean =>
  existsSync(join(layoutOf(directory).enroller, caKeyFile));

function readMesh(path: string): Shaped<typeof meshFile> {
  const mesh = meshFile(parseJson(Buffer.from(readText(path))));
  if (mesh === undefined) throw broken(path, "not an identity this version can read");
  return mesh;
}

function readSigner(path: string, id: string): Signer {
  const pem = readText(path);
  const signer = attempt(() => signerFromPem(pem));
  if (signer === undefined) throw broken(path, "not an Ed25519 private key in PEM");
  if (nodeIdOf(signer.publicKey, nodeCrypto) !== id) {
    throw broken(path, `this key does not belong to the node id ${id}`);
  }
  return signer;
}

function checkCertificate(tls: {
  readonly path: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly caPem: string;
  readonly mesh: Shaped<typeof meshFile>;
}): void {
  const { path, mesh } = tls;
  const certificate = attempt(() => new X509Certificate(tls.certificatePem));
  const ca = attempt(() => new X509Certificate(tls.caPem));
  const spki = attempt(() => spkiOf(tls.keyPem));
  if (certificate === undefined || ca === undefined) throw broken(path, "not a certificate in PEM");
  if (spki === undefined) throw broken(path, `${identityFiles.tlsKey} beside it is not a private key in PEM`);
  if (!certificate.publicKey.export({ type: "spki", format: "der" }).equals(spki)) {
    throw broken(path, `the certificate and ${identityFiles.tlsKey} do not match`);
  }
  if (!certificate.verify(ca.publicKey)) {
    throw broken(path, `the certificate was not signed by the CA in ${identityFiles.ca}`);
  }
  const spiffeId = spiffeIdOf(mesh.mesh.id, mesh.node.id);
  if (!(certificate.subjectAltName ?? "").split(", ").includes(`URI:${spiffeId}`)) {
    throw broken(path, `the certificate does not name ${spiffeId}`);
  }
}

function readableByOthers(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return [];
  return [`${path} can be read by others on this machine (mode ${mode.toString(8)}): chmod 600 ${path}`];
}

function broken(path: string, detail: string): IdentityError {
  return new IdentityError({ type: "broken", path, detail });
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
