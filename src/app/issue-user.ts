import { issueUserCertificate } from "../shells/identity-file/certificates.ts";
import { newTlsKey } from "../shells/identity-file/keys.ts";
import { kubeconfigOf } from "../shells/identity-file/kubeconfig.ts";
import { loadCaKey, loadIdentity } from "../shells/identity-file/load-identity.ts";

export type UserOptions = {
  readonly directory: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** `host:port` of any node. */
  readonly server: string;
  readonly days: number;
  readonly now: number;
};

/** A kubeconfig with a new client certificate, made on an enroller; its agent need not run. */
export async function issueUser(options: UserOptions): Promise<string> {
  const { directory, name, groups, server, days, now } = options;
  const { node, tls } = loadIdentity(directory);
  const key = newTlsKey();
  const certificatePem = await issueUserCertificate(
    { caPem: tls.caPem, caKeyPem: loadCaKey(directory) },
    { name, groups, spki: key.publicSpki, end: new Date(now + days * 86_400_000) },
  );
  return kubeconfigOf({
    mesh: node.mesh.name,
    server,
    user: name,
    caPem: tls.caPem,
    certificatePem,
    keyPem: key.privatePem,
  });
}
