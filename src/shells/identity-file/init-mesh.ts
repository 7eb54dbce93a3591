import { hex } from "../../core/kernel/bytes.ts";
import { versionAt } from "../../core/kernel/hybrid-clock.ts";
import type { WallTime } from "../../core/kernel/time.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import { memberKey } from "../../core/records/keys.ts";
import { detailScope, type Detail } from "../../core/records/scope.ts";
import { nodeIdOf } from "../../core/records/record.ts";
import { sealRecord, storedBytes } from "../../core/records/seal.ts";
import { nodeCrypto, signerFromPem } from "../crypto-node/node-crypto.ts";
import { agentPort, formatAddress } from "./address.ts";
import { issueCa, issueNodeCertificate, issueUserCertificate, type Authority } from "./certificates.ts";
import { fingerprintOf, newRecordKey, newTlsKey } from "./keys.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { caKeyFile, layoutOf, rootKeyFile } from "./layout.ts";
import { addressesIn, checkName, checkRegion } from "./names.ts";
import { refuseExisting, saveIdentity } from "./save-identity.ts";

export type InitOptions = {
  readonly directory: string;
  readonly meshName: string;
  readonly nodeName: string;
  readonly site: string;
  readonly region: string;
  /** How far the detail of a node travels in this mesh; everywhere when missing. It is never changed. */
  readonly detail?: Detail | undefined;
  /** `host:port`, or `host` with port 7443, others reach this node at, best first; the first goes into the kubeconfig. */
  readonly addresses: readonly string[];
  readonly now: WallTime;
};

export type InitResult = { readonly node: NodeIdentity; readonly kubeconfig: string };

const adminDays = 365;

/**
 * Makes a mesh and its first node: the root key, the CA, the node's keys and certificate, the roster
 * record that admits it, and an administrator's kubeconfig. Throws an `IdentityError`; nothing is then
 * left behind.
 */
export async function initMesh(options: InitOptions): Promise<InitResult> {
  const { directory, meshName, nodeName, site, region, detail = "mesh", now } = options;
  checkName("the mesh name", meshName);
  checkName("the node name", nodeName);
  checkName("the site", site);
  checkRegion("the region", region);
  const addresses = addressesIn(options.addresses, agentPort);
  refuseExisting(directory);

  const rootKeyPem = newRecordKey().privatePem;
  const root = signerFromPem(rootKeyPem);
  const meshId = nodeIdOf(root.publicKey, nodeCrypto);
  const nodeKeyPem = newRecordKey().privatePem;
  const { publicKey } = signerFromPem(nodeKeyPem);
  const id = nodeIdOf(publicKey, nodeCrypto);
  const tls = newTlsKey();
  const node = {
    id,
    name: nodeName,
    site,
    region,
    mesh: { id: meshId, name: meshName, rootKey: root.publicKey, detail },
  };

  const caKeyPem = newTlsKey().privatePem;
  const caPem = await issueCa(node.mesh, caKeyPem);
  const authority = { caPem, caKeyPem };
  const certificatePem = await issueNodeCertificate(authority, {
    mesh: meshId,
    node: id,
    name: nodeName,
    hosts: addresses.map(({ host }) => host),
    tlsSpki: tls.publicSpki,
  });
  const body = {
    name: nodeName,
    site,
    region,
    signKey: hex(publicKey),
    tlsKey: fingerprintOf(tls.publicSpki),
    grants: ["enrol", "write"],
    labels: {},
    joinedAt: now,
    ...(detail === "mesh" ? {} : { detail }),
  };
  const scope = detailScope(detail, { site, region });
  const draft = { scope, key: memberKey(id), version: versionAt(now), kind: "roster", body } as const;
  const bytes = storedBytes(sealRecord(draft, meshId, root, nodeCrypto), nodeCrypto);
  const [server = { host: "127.0.0.1", port: agentPort }] = addresses;

  saveIdentity(
    directory,
    { node, nodeKeyPem, tlsKeyPem: tls.privatePem, certificatePem, caPem, frames: [bytes], createdAt: now },
    {
      root: { [rootKeyFile]: rootKeyPem },
      enroller: { [caKeyFile]: caKeyPem },
      admin: await adminFiles(authority, meshName, formatAddress(server), now),
    },
  );
  return { node, kubeconfig: layoutOf(directory).kubeconfig };
}

async function adminFiles(
  authority: Authority,
  mesh: string,
  server: string,
  now: WallTime,
): Promise<{ readonly [file: string]: string }> {
  const key = newTlsKey();
  const end = new Date(now + adminDays * 86_400_000);
  const user = { name: "admin", groups: ["system:masters"], spki: key.publicSpki, end };
  const certificatePem = await issueUserCertificate(authority, user);
  const parts = {
    mesh,
    server,
    user: "admin",
    caPem: authority.caPem,
    certificatePem,
    keyPem: key.privatePem,
  };
  return { "admin.key": key.privatePem, "admin.crt": certificatePem, kubeconfig: kubeconfigOf(parts) };
}
