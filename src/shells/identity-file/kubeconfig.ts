export type KubeconfigParts = {
  readonly mesh: string;
  /** `host:port` of any node. */
  readonly server: string;
  readonly user: string;
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
};

/**
 * A kubeconfig for a client certificate. Every node's certificate carries the name `starlight`, so that
 * one file works against any node at any address.
 */
export function kubeconfigOf(parts: KubeconfigParts): string {
  const mesh = JSON.stringify(parts.mesh);
  const user = JSON.stringify(`${parts.user}@${parts.mesh}`);
  const data = (text: string): string => Buffer.from(text).toString("base64");
  return `apiVersion: v1
kind: Config
current-context: ${mesh}
clusters:
  - name: ${mesh}
    cluster:
      server: https://${parts.server}
      tls-server-name: starlight
      certificate-authority-data: ${data(parts.caPem)}
users:
  - name: ${user}
    user:
      client-certificate-data: ${data(parts.certificatePem)}
      client-key-data: ${data(parts.keyPem)}
contexts:
  - name: ${mesh}
    context:
      cluster: ${mesh}
      user: ${user}
`;
}
