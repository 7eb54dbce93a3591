import type { NodeIdentity } from "../../core/node/contract.ts";
import type { Version } from "../../core/kernel/hybrid-clock.ts";
import { goneBody, memberBody, type MemberBody } from "../../core/records/bodies.ts";
import { partsOf } from "../../core/records/keys.ts";
import { openStored, storedBytes } from "../../core/records/seal.ts";
import { bodyOf, type MeshRecord, type NodeId } from "../../core/records/record.ts";
import { refusalOf, type TrustView } from "../../core/trust/authorise.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";

/**
 * The frames of an introduction that can be trusted, starting from the root key alone. A node takes the
 * records on its own disk for judged, so these are judged before they get there.
 *
 * The roster is a chain (the root admits an enroller, who admits others), and frames come in any order:
 * they are gone through again for as long as a round brings somebody new.
 */
export function trustedFrames(
  frames: readonly Uint8Array[],
  mesh: NodeIdentity["mesh"],
): { readonly frames: readonly Uint8Array[]; readonly members: ReadonlyMap<NodeId, MemberBody> } {
  const members = new Map<NodeId, MemberBody>();
  const gone = new Map<NodeId, Version>();
  const trust: TrustView = {
    root: { id: mesh.id, publicKey: mesh.rootKey },
    member: (id) => members.get(id),
    detail: mesh.detail,
    goneSince: (id) => gone.get(id),
  };
  const trusted: Uint8Array[] = [];
  let waiting: readonly MeshRecord[] = frames
    .flatMap((bytes) => {
      const opened = openStored(bytes, nodeCrypto);
      return opened.ok ? [opened.value] : [];
    })
    .sort((left, right) => left.version - right.version);
  for (let progress = true; progress;) {
    const later: MeshRecord[] = [];
    for (const record of waiting) {
      const refusal = refusalOf(record, trust, nodeCrypto);
      if (refusal === undefined) {
        trusted.push(storedBytes(record, nodeCrypto));
        learn(record, members, gone);
      } else later.push(record);
    }
    progress = later.length < waiting.length;
    waiting = later;
  }
  return { frames: trusted, members };
}

function learn(record: MeshRecord, members: Map<NodeId, MemberBody>, gone: Map<NodeId, Version>): void {
  const parts = partsOf(record.key);
  if (parts?.type === "member") {
    const body = memberBody(bodyOf(record));
    if (body !== undefined) members.set(parts.node, body);
  }
  if (parts?.type === "gone" && goneBody(bodyOf(record)) !== undefined) {
    gone.set(parts.node, Math.min(record.version, gone.get(parts.node) ?? record.version));
  }
}
