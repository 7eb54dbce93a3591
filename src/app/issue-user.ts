import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { issueUserCertificate } from "../shells/identity-file/certificates.ts";
import { newTlsKey } from "../shells/identity-file/keys.ts";
import { kubeconfigOf } from "../shells/identity-file/kubeconfig.ts";
import { readText } from "../shells/identity-file/durable-files.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";
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

const warnBeforeMs = 30 * 86_400_000;

/** One sentence when the data folder's own kubeconfig ends soon, or has ended. */
export function kubeconfigWarnings(directory: string, now: number): readonly string[] {
  const path = layoutOf(directory).kubeconfig;
  if (!existsSync(path)) return [];
  const data = /client-certificate-data: (\S+)/.exec(readText(path))?.[1];
  if (data === undefined) return [];
  const end = Date.parse(new X509Certificate(Buffer.from(data, "base64")).validTo);
  if (end - now > warnBeforeMs) return [];
  const when = new Date(end).toISOString().slice(0, 10);
  return [`${path} ${end < now ? "ended" : "ends"} on ${when}: run \`starlight kubeconfig --renew\``];
}
