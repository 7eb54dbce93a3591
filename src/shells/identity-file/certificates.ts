import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { webcrypto } from "node:crypto";

/**
 * X.509 for the mesh: a CA, node certificates and client certificates, all ECDSA P-256 (what TPMs, Go
 * and browsers agree on). Loaded only where certificates are made: it costs 20 MB.
 */

x509.cryptoProvider.set(webcrypto as Crypto);
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const yearMs = 365 * 24 * 3_600_000;

export type KeyAndCertificate = { readonly keyPem: string; readonly certificatePem: string };

/** A new P-256 key: PKCS #8 and SubjectPublicKeyInfo, both PEM. */
export async function newTlsKey(): Promise<{ readonly keyPem: string; readonly publicPem: string }> {
  const pair = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", pair.privateKey));
  const spki = Buffer.from(await webcrypto.subtle.exportKey("spki", pair.publicKey));
  return { keyPem: pem("PRIVATE KEY", key), publicPem: pem("PUBLIC KEY", spki) };
}

export async function newCa(meshName: string, now: number): Promise<KeyAndCertificate> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${meshName} mesh CA`,
    notBefore: new Date(now - 24 * 3_600_000),
    notAfter: new Date(now + 20 * yearMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { keyPem: pem("PRIVATE KEY", key), certificatePem: `${certificate.toString("pem")}\n` };
}

/** A node's certificate: its SPIFFE id for other nodes, names and addresses for kubectl. */
export async function issueNodeCertificate(
  ca: KeyAndCertificate,
  node: {
    readonly name: string;
    readonly spiffeId: string;
    readonly publicPem: string;
    readonly addresses: readonly string[];
  },
  now: number,
): Promise<string> {
  const hosts = [...new Set([...node.addresses, "127.0.0.1", "::1"])];
  const isIp = (host: string): boolean => /^[0-9.]+$/.test(host) || host.includes(":");
  const names = [...new Set([node.name, "starlight", "localhost", ...hosts.filter((host) => !isIp(host))])];
  return issue(ca, `CN=${node.name}`, node.publicPem, now, [
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
    new x509.SubjectAlternativeNameExtension([
      { type: "url", value: node.spiffeId },
      ...names.map((value) => ({ type: "dns" as const, value })),
      ...hosts.filter(isIp).map((value) => ({ type: "ip" as const, value })),
    ]),
  ]);
}

/** A person's certificate: the name as CN, each group as O, as Kubernetes reads them. */
export async function issueUserCertificate(
  ca: KeyAndCertificate,
  user: { readonly name: string; readonly groups: readonly string[]; readonly publicPem: string },
  now: number,
): Promise<string> {
  const subject = [`CN=${user.name}`, ...user.groups.map((group) => `O=${group}`)].join(", ");
  return issue(ca, subject, user.publicPem, now, [
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
  ]);
}

async function issue(
  ca: KeyAndCertificate,
  subject: string,
  publicPem: string,
  now: number,
  extensions: x509.Extension[],
): Promise<string> {
  const authority = new x509.X509Certificate(ca.certificatePem);
  const usage = ["sign"] as const;
  const signingKey = await webcrypto.subtle.importKey("pkcs8", der(ca.keyPem), algorithm, false, usage);
  const publicKey = await webcrypto.subtle.importKey("spki", der(publicPem), algorithm, true, ["verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: authority.subject,
    notBefore: new Date(now - 24 * 3_600_000),
    notAfter: new Date(now + 5 * yearMs),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
      ...extensions,
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

function serial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return Buffer.from(bytes).toString("hex");
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function der(text: string): Buffer {
  return Buffer.from(text.replace(/-----[^-]+-----|\s/g, ""), "base64");
}
