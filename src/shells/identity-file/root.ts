import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Signer } from "../../core/kernel/crypto.ts";
import { hex } from "../../core/kernel/bytes.ts";
import { versionAt } from "../../core/kernel/hybrid-clock.ts";
import type { Grant } from "../../core/records/bodies.ts";
import { memberKey } from "../../core/records/keys.ts";
import { nodeIdOf, sealRecord, type MeshRecord, type NodeId } from "../../core/records/record.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import { nodeCrypto, signerFromPem } from "../crypto-node/node-crypto.ts";
import { makeFolder, newSignKey, saveIdentity, writeFileDurably } from "./folder.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { createHash, createPublicKey } from "node:crypto";
import type { KeyAndCertificate } from "./certificates.ts";

/** The mesh's root: the keys that admit members. A node whose data folder has them is an enroller. */

export type MeshRoot = { readonly ca: KeyAndCertificate };

const rootFolder = (data: string): string => join(data, "root");

/** The CA of an enroller; undefined on every other node. */
export function loadRoot(data: string): MeshRoot | undefined {
  const folder = rootFolder(data);
  if (!existsSync(join(folder, "ca.key"))) return undefined;
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  return { ca: { keyPem: read("ca.key"), certificatePem: read("ca.crt") } };
}

export type InitOptions = {
  readonly data: string;
  readonly meshName: string;
  readonly nodeName: string;
  readonly site: string;
  readonly region: string;
  /** Hosts (without ports) that the node answers on. */
  readonly hosts: readonly string[];
  /** `host:port` for the kubeconfig. */
  readonly server: string;
  readonly now: number;
};

/** Makes a mesh, its first member, and the first record that every other trust grows from. */
export async function initMesh(
  options: InitOptions,
): Promise<{ readonly node: NodeIdentity; readonly records: readonly MeshRecord[] }> {
  const { issueNodeCertificate, newCa, newTlsKey } = await import("./certificates.ts");
  const { data, meshName, nodeName, site, region, hosts, now } = options;
  const rootKeyPem = newSignKey();
  const root = signerFromPem(rootKeyPem);
  const ca = await newCa(meshName, now);
  const signKeyPem = newSignKey();
  const signer = signerFromPem(signKeyPem);
  const tlsKey = await newTlsKey();
  const id = nodeIdOf(signer.publicKey, nodeCrypto);
  const mesh = { id: nodeIdOf(root.publicKey, nodeCrypto), name: meshName, rootKey: root.publicKey };
  const node: NodeIdentity = { id, name: nodeName, site, region, mesh };
  const spiffeId = `spiffe://${mesh.id}/node/${id}`;
  const subject = { name: nodeName, spiffeId, publicPem: tlsKey.publicPem, addresses: hosts };
  const certificatePem = await issueNodeCertificate(ca, subject, now);
  const record = memberRecord(
    { node, signKey: signer.publicKey, tlsPublicPem: tlsKey.publicPem, grants: ["enrol", "write"], now },
    { id: mesh.id, signer: root },
  );
  saveIdentity(data, {
    node,
    signKeyPem,
    tlsKeyPem: tlsKey.keyPem,
    certificatePem,
    caPem: ca.certificatePem,
  });
  const folder = rootFolder(data);
  makeFolder(folder);
  writeFileDurably(join(folder, "root.key"), rootKeyPem);
  writeFileDurably(join(folder, "ca.key"), ca.keyPem);
  writeFileDurably(join(folder, "ca.crt"), ca.certificatePem);
  const kubeconfig = await kubeconfigOf(ca, {
    mesh: meshName,
    server: options.server,
    user: "admin",
    groups: ["system:masters"],
    now,
  });
  writeFileDurably(join(data, "kubeconfig"), kubeconfig);
  return { node, records: [record] };
}

export type NewMember = {
  readonly node: NodeIdentity;
  readonly signKey: Uint8Array;
  readonly tlsPublicPem: string;
  readonly grants: readonly Grant[];
  readonly now: number;
};

/** The signed roster entry of a member. */
export function memberRecord(
  { node, signKey, tlsPublicPem, grants, now }: NewMember,
  author: { readonly id: NodeId; readonly signer: Signer },
): MeshRecord {
  const body = {
    name: node.name,
    site: node.site,
    region: node.region,
    signKey: hex(signKey),
    tlsKey: spkiHash(tlsPublicPem),
    grants: [...grants],
    labels: {},
    joinedAt: Math.max(0, now),
  };
  const draft = {
    scope: "mesh",
    key: memberKey(node.id),
    version: versionAt(now),
    kind: "roster",
    body,
  } as const;
  return sealRecord(draft, author.id, author.signer, nodeCrypto);
}

function spkiHash(publicPem: string): string {
  return createHash("sha256")
    .update(createPublicKey(publicPem).export({ type: "spki", format: "der" }))
    .digest("hex");
}
