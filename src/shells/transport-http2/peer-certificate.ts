import { createHash, type X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { isNodeId, type NodeId } from "../../core/records/record.ts";
import type { Client } from "../../ports/http.ts";

/** What a certificate that the mesh's CA signed says about its holder. */
export type CertificateIdentity =
  | {
      readonly type: "node";
      readonly mesh: NodeId;
      readonly id: NodeId;
      readonly name: string;
      readonly tlsKey: string;
    }
  | { readonly type: "user"; readonly name: string; readonly groups: readonly string[] };

/** SHA-256 of the SubjectPublicKeyInfo, in hex: how the roster names a TLS key. */
export function tlsKeyOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("hex");
}

/**
 * Reads a certificate whose chain TLS has already accepted. A certificate with any URI in it is a node's
 * or nobody's, never a user's. A SPIFFE certificate has exactly one URI (X509-SVID, section 2), and it is
 * matched as a whole: X.509 name constraints would look at its host only.
 */
export function identityOf(certificate: X509Certificate): CertificateIdentity | undefined {
  const { subject } = certificate.toLegacyObject();
  const [name = ""] = valuesOf(subject?.CN);
  const uris = urisOf(certificate.subjectAltName ?? "");
  if (uris.length === 0) {
    return name === "" ? undefined : { type: "user", name, groups: valuesOf(subject?.O) };
  }
  const [, mesh = "", id = ""] =
    /^spiffe:\/\/([0-9a-f]{20})\/node\/([0-9a-f]{20})$/.exec(uris[0] ?? "") ?? [];
  if (uris.length > 1 || !isNodeId(mesh) || !isNodeId(id)) return undefined;
  return { type: "node", mesh, id, name, tlsKey: tlsKeyOf(certificate) };
}

/** Who is at the other end of a connection to us; a node only while the roster agrees with its key. */
export function clientOf(
  socket: TLSSocket,
  mesh: NodeId,
  admits: (peer: NodeId, tlsKey: string) => boolean,
): Client {
  const identity = identityOfSocket(socket);
  if (identity === undefined)
    return isOutOfDate(socket) ? { type: "anonymous", outOfDate: true } : { type: "anonymous" };
  if (identity.type === "user") return identity;
  const known = identity.mesh === mesh && admits(identity.id, identity.tlsKey);
  return known ? { type: "node", id: identity.id, name: identity.name } : { type: "anonymous" };
}

const isOutOfDate = ({ authorizationError: error }: TLSSocket): boolean =>
  ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"].includes(String(error));

/** The TLS key that the other end of a member's connection proved, as the roster names it; "" for others. */
export function keyOfSocket(socket: TLSSocket | undefined): string {
  const identity = socket === undefined ? undefined : identityOfSocket(socket);
  return identity?.type === "node" ? identity.tlsKey : "";
}

/** A connection's certificate never changes (TLS 1.3 has no renegotiation): read it once. */
const identityBySocket = new WeakMap<TLSSocket, { readonly identity: CertificateIdentity | undefined }>();

function identityOfSocket(socket: TLSSocket): CertificateIdentity | undefined {
  const known = identityBySocket.get(socket);
  if (known !== undefined) return known.identity;
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const identity = certificate === undefined ? undefined : identityOf(certificate);
  identityBySocket.set(socket, { identity });
  return identity;
}

/** Node prints `URI:a, DNS:b`, and quotes as JSON what could be mistaken for more entries. */
function urisOf(subjectAltName: string): string[] {
  const entries = subjectAltName.matchAll(/(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g);
  return Array.from(entries)
    .filter(([, kind]) => kind === "URI")
    .map(([, , value = ""]) => value);
}

function valuesOf(field: string | readonly string[] | undefined): readonly string[] {
  if (field === undefined) return [];
  return typeof field === "string" ? [field] : field;
}
