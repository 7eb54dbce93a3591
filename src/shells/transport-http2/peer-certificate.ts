import { createHash, type X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Client } from "../../ports/http.ts";
import { isNodeId, type NodeId } from "../../core/records/record.ts";

/** What a certificate of the mesh's CA says about its holder. */
export type CertificateIdentity =
  | {
      readonly type: "node";
      readonly mesh: NodeId;
      readonly id: NodeId;
      readonly name: string;
      readonly tlsKey: string;
    }
  | { readonly type: "user"; readonly name: string; readonly groups: readonly string[] };

/** The SPIFFE identity of a node: `spiffe://<mesh id>/node/<node id>`. */
export const spiffeIdOf = (mesh: NodeId, node: NodeId): string => `spiffe://${mesh}/node/${node}`;

/** SHA-256 of the SubjectPublicKeyInfo, in hex: how the roster names a TLS key. */
export function tlsKeyOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("hex");
}

/**
 * Reads a certificate that the chain check has already accepted. The SPIFFE URI is matched as a whole:
 * X.509 name constraints would look at its host only.
 */
export function identityOf(certificate: X509Certificate): CertificateIdentity | undefined {
  const subject = certificate.subject.split("\n").map((line) => line.split("="));
  const valuesOf = (name: string): string[] =>
    subject.filter(([key]) => key === name).map(([, ...value]) => value.join("="));
  const [name = ""] = valuesOf("CN");
  const uri = /(?:^|, )URI:spiffe:\/\/([0-9a-f]{20})\/node\/([0-9a-f]{20})(?:,|$)/.exec(
    certificate.subjectAltName ?? "",
  );
  if (uri === null) return name === "" ? undefined : { type: "user", name, groups: valuesOf("O") };
  const [, mesh = "", id = ""] = uri;
  if (!isNodeId(mesh) || !isNodeId(id)) return undefined;
  return { type: "node", mesh, id, name, tlsKey: tlsKeyOf(certificate) };
}

/** Who is at the other end of a connection; a node only while the roster agrees with its key. */
export function clientOf(
  socket: TLSSocket,
  mesh: NodeId,
  admits: (peer: NodeId, tlsKey: string) => boolean,
): Client {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const identity = certificate === undefined ? undefined : identityOf(certificate);
  if (identity === undefined) return { type: "anonymous" };
  if (identity.type === "user") return identity;
  const known = identity.mesh === mesh && admits(identity.id, identity.tlsKey);
  return known ? { type: "node", id: identity.id, name: identity.name } : { type: "anonymous" };
}
