import { hex } from "../core/kernel/bytes.ts";
import { goneKey, memberKey } from "../core/records/keys.ts";
import type { MeshRecord } from "../core/records/record.ts";
import { sealRecord } from "../core/records/seal.ts";
import { detailScope } from "../core/records/scope.ts";
import type { Machine } from "./machine.ts";
import type { SimCrypto } from "./sim-crypto.ts";

/** What the root of a simulated mesh signs. */

export function memberRecord(
  { identity, signer, tlsKey }: Machine,
  joinedAt: number,
  version: number,
  crypto: SimCrypto,
  grants: readonly string[] = ["write"],
): MeshRecord {
  const { id, name, site, region, mesh } = identity;
  const detail = mesh.detail;
  const body = {
    name,
    site,
    region,
    signKey: hex(signer.publicKey),
    tlsKey,
    grants,
    labels: {},
    joinedAt,
    ...(detail === "mesh" ? {} : { detail }),
  };
  const scope = detailScope(detail, identity);
  const draft = { scope, key: memberKey(id), version, kind: "roster", body } as const;
  return sealRecord(draft, mesh.id, crypto.signer("root"), crypto);
}

/** The root ends a membership. */
export function revocation(
  { identity }: Machine,
  reason: string,
  version: number,
  crypto: SimCrypto,
): MeshRecord {
  const { id, mesh } = identity;
  const body = { how: "revoked", reason };
  const draft = { scope: "mesh", key: goneKey(id), version, kind: "roster", body } as const;
  return sealRecord(draft, mesh.id, crypto.signer("root"), crypto);
}
