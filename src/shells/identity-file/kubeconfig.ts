import type { KeyAndCertificate } from "./certificates.ts";

/** A kubeconfig with a fresh client certificate: for kubectl, helm and `starlight` alike. */
export async function kubeconfigOf(
  ca: KeyAndCertificate,
  options: {
    readonly mesh: string;
    /** `host:port`. */
    readonly server: string;
    readonly user: string;
    readonly groups: readonly string[];
    readonly now: number;
  },
): Promise<string> {
  const { issueUserCertificate, newTlsKey } = await import("./certificates.ts");
  const { keyPem, publicPem } = await newTlsKey();
  const { mesh, server, user, groups, now } = options;
  const certificate = await issueUserCertificate(ca, { name: user, groups, publicPem }, now);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": mesh,
    clusters: [
      {
        name: mesh,
        cluster: {
          server: `https://${server}`,
          // Every node's certificate has this name, so one kubeconfig works against any of them.
          "tls-server-name": "starlight",
          "certificate-authority-data": base64(ca.certificatePem),
        },
      },
    ],
    users: [
      {
        name: user,
        user: { "client-certificate-data": base64(certificate), "client-key-data": base64(keyPem) },
      },
    ],
    contexts: [{ name: mesh, context: { cluster: mesh, user } }],
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
