import { createSecureContext, type ConnectionOptions, type SecureContext } from "node:tls";
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
  secureContext: contextOf(tls),
  ALPNProtocols: ["h2"],
  servername: "starlight",
  checkServerIdentity,
});

const contexts = new WeakMap<Identity["tls"], SecureContext>();

/** Keys and certificates are read once, and not at every dial and for every socket. */
function contextOf(tls: Identity["tls"]): SecureContext {
  const known = contexts.get(tls);
  if (known !== undefined) return known;
  const made = createSecureContext({
    key: tls.keyPem,
    cert: tls.certificatePem,
    ca: tls.caPem,
    minVersion: "TLSv1.3",
  });
  contexts.set(tls, made);
  return made;
}
