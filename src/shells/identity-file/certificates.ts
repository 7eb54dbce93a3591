import { createPrivateKey, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import type * as X509 from "@peculiar/x509";
import { spkiOf } from "./keys.ts";

/**
 * The mesh's X.509 certificates (RFC 5280). TLS and the tools of others need them; who belongs is decided
 * by the roster. So they start in 1970 (machines without a clock battery boot there and must still reach
 * their peers) and nodes' last as long as the CA: a machine that was away for years is not locked out by
 * a date.
 */

const beginning = new Date(0);
const caEnd = new Date("2049-12-31T00:00:00Z");
const ecdsa = { name: "ECDSA", namedCurve: "P-256" } as const;
const signing = { name: "ECDSA", hash: "SHA-256" } as const;

export type Authority = { readonly caPem: string; readonly caKeyPem: string };

/** The URI that names a node in its certificate (SPIFFE ID). */
export const spiffeIdOf = (mesh: string, node: string): string => `spiffe://${mesh}/node/${node}`;

/** A self-signed CA that may sign end certificates only. */
export async function issueCa(
  mesh: { readonly id: string; readonly name: string },
  caKeyPem: string,
): Promise<string> {
  const x509 = await library();
  const keys = { publicKey: await publicKeyOf(spkiOf(caKeyPem)), privateKey: await privateKeyOf(caKeyPem) };
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: nameOf(x509, `starlight mesh ${mesh.name}`, [mesh.id]).toString(),
    notBefore: beginning,
    notAfter: caEnd,
    signingAlgorithm: signing,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pem(certificate.toString("pem"));
}

export type NodeSubject = {
  readonly mesh: string;
  readonly node: string;
  readonly name: string;
  /** Hosts the node is reached at: names and IP addresses. */
  readonly hosts: readonly string[];
  readonly tlsSpki: Uint8Array;
};

/** A node's certificate, for both ends of TLS. The subject is the enroller's choice, never the newcomer's. */
export async function issueNodeCertificate(authority: Authority, subject: NodeSubject): Promise<string> {
  const hosts = new Set([subject.name, "starlight", "localhost", "127.0.0.1", "::1", ...subject.hosts]);
  const names: X509.JsonGeneralName[] = [{ type: "url", value: spiffeIdOf(subject.mesh, subject.node) }];
  for (const host of hosts) names.push({ type: isIP(host) === 0 ? "dns" : "ip", value: host });
  return issue(authority, {
    commonName: subject.name,
    organizations: ["system:nodes"],
    spki: subject.tlsSpki,
    end: caEnd,
    names,
    server: true,
  });
}

/** A person's or tool's certificate: `CN` is the user, each `O` a group, as in Kubernetes. */
export async function issueUserCertificate(
  authority: Authority,
  user: {
    readonly name: string;
    readonly groups: readonly string[];
    readonly spki: Uint8Array;
    readonly end: Date;
  },
): Promise<string> {
  const { name, groups, spki, end } = user;
  return issue(authority, { commonName: name, organizations: groups, spki, end, names: [], server: false });
}

type Order = {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly spki: Uint8Array;
  readonly end: Date;
  readonly names: X509.JsonGeneralName[];
  readonly server: boolean;
};

async function issue(authority: Authority, order: Order): Promise<string> {
  const x509 = await library();
  const ca = new x509.X509Certificate(authority.caPem);
  const publicKey = await publicKeyOf(order.spki);
  const usages = order.server ? [serverAuth, clientAuth] : [clientAuth];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: nameOf(x509, order.commonName, order.organizations),
    issuer: ca.subjectName,
    notBefore: beginning,
    notAfter: order.end < caEnd ? order.end : caEnd,
    signingAlgorithm: signing,
    publicKey,
    signingKey: await privateKeyOf(authority.caKeyPem),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
      ...(order.names.length > 0 ? [new x509.SubjectAlternativeNameExtension(order.names)] : []),
    ],
  });
  return pem(certificate.toString("pem"));
}

const serverAuth = "1.3.6.1.5.5.7.3.1";
const clientAuth = "1.3.6.1.5.5.7.3.2";

/** Values are given as typed strings: plain ones that start with `#` would be read as raw DER. */
function nameOf(x509: typeof X509, commonName: string, organizations: readonly string[]): X509.Name {
  return new x509.Name([
    { "2.5.4.3": [{ utf8String: commonName }] },
    ...organizations.map((organization) => ({ "2.5.4.10": [{ utf8String: organization }] })),
  ]);
}

/** Loaded when a certificate is made and not before: it costs 20 MB of memory and 140 ms. */
async function library(): Promise<typeof X509> {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

function publicKeyOf(spki: Uint8Array): Promise<webcrypto.CryptoKey> {
  const { buffer } = new Uint8Array(spki);
  return webcrypto.subtle.importKey("spki", buffer, ecdsa, true, ["verify"]);
}

function privateKeyOf(keyPem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", new Uint8Array(der), ecdsa, true, ["sign"]);
}

/** 127 random bits, positive and never 0 (RFC 5280, 4.1.2.2). */
function newSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

const pem = (text: string): string => `${text.trim()}\n`;
