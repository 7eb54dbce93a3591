import type { Crypto, Signer } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import { assemble, type MeshRecord, type NodeId, type RecordParts } from "./record.ts";
import { sealTogether } from "./seal.ts";

/** Authors that sign, and parcels of theirs. The world hands in keys and cryptography. */

export type Author = { readonly id: NodeId; readonly signer: Signer };

/** What a record of a parcel says; its author and what it shares with the others come from the parcel. */
export type Line = Pick<RecordParts, "key" | "version" | "body" | "extension">;

export function parcelOf(
  { id, signer }: Author,
  shared: Pick<RecordParts, "scope" | "kind">,
  lines: readonly Line[],
  previous: Version,
  crypto: Pick<Crypto, "sha256">,
): MeshRecord[] {
  const records = lines.map((line) => assemble({ ...shared, ...line, author: id }, crypto));
  sealTogether(records, previous, signer, crypto);
  return records;
}
