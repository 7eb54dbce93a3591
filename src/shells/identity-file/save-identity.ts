import { existsSync } from "node:fs";
import { join } from "node:path";
import { hex } from "../../core/kernel/bytes.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import type { WallTime } from "../../core/kernel/time.ts";
import { commitFolder, readText, type Files } from "./durable-files.ts";
import { IdentityError } from "./identity-error.ts";
import { packFrames } from "./introduction.ts";
import { identityFiles, layoutOf } from "./layout.ts";

/** Everything a node is, on its way to the disk. */
export type NewIdentity = {
  readonly node: NodeIdentity;
  readonly nodeKeyPem: string;
  readonly tlsKeyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
  /** The first records: see `introduction.ts`. */
  readonly frames: readonly Uint8Array[];
  readonly createdAt: WallTime;
};

/** Refuses a folder that already belongs to a node, before any work is done for it. */
export function refuseExisting(directory: string): void {
  const { identity } = layoutOf(directory);
  if (!existsSync(identity)) return;
  throw new IdentityError({ type: "exists", directory, ...whoseIs(join(identity, identityFiles.mesh)) });
}

/** Writes an identity and the folders that go with it: all of it or, on any failure, nothing. */
export function saveIdentity(
  directory: string,
  identity: NewIdentity,
  beside: { readonly [folder: string]: Files } = {},
): void {
  const { node } = identity;
  const mesh = {
    format: 1,
    mesh: {
      id: node.mesh.id,
      name: node.mesh.name,
      rootKey: hex(node.mesh.rootKey),
      detail: node.mesh.detail,
    },
    node: { id: node.id, name: node.name, site: node.site, region: node.region },
    createdAt: identity.createdAt,
  };
  const files = {
    [identityFiles.mesh]: `${JSON.stringify(mesh, undefined, 2)}\n`,
    [identityFiles.nodeKey]: identity.nodeKeyPem,
    [identityFiles.tlsKey]: identity.tlsKeyPem,
    [identityFiles.tlsCertificate]: identity.certificatePem + identity.caPem,
    [identityFiles.ca]: identity.caPem,
    [identityFiles.introduction]: packFrames(identity.frames),
  };
  if (!commitFolder(directory, "identity", files, beside)) refuseExisting(directory);
}

function whoseIs(path: string): { readonly node: string; readonly mesh: string } {
  try {
    const held = JSON.parse(readText(path)) as { node?: { name?: string }; mesh?: { name?: string } };
    return { node: held.node?.name ?? "another node", mesh: held.mesh?.name ?? "unknown" };
  } catch {
    return { node: "another node", mesh: "unknown" };
  }
}
