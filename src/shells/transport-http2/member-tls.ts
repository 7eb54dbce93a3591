import type { ConnectionOptions } from "node:tls";
import type { Identity } from "../../ports/identity.ts";

/**
 * TLS to a member as one of its mesh: with our certificate, under the mesh's CA alone, for HTTP/2.
 *
 * @param checkServerIdentity Asked once the chain is verified: a member is known by its identity, since its
 *   certificate names no host.
 */
export const memberTls = (
  { tls }: Identity,
  checkServerIdentity: NonNullable<ConnectionOptions["checkServerIdentity"]>,
): ConnectionOptions => ({
  key: tls.keyPem,
  cert: tls.certificatePem,
  ca: tls.caPem,
  minVersion: "TLSv1.3",
  ALPNProtocols: ["h2"],
  servername: "starlight",
  checkServerIdentity,
});
