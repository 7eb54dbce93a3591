import { Reader, Writer } from "../kernel/bytes.ts";
import type { Crypto } from "../kernel/crypto.ts";
import { isNodeId, type MeshRecord, type NodeId } from "../records/record.ts";
import { openStored, storedBytes } from "../records/seal.ts";

/** What two nodes say that are not on each other's roster, before and beside all else. */
export type IntroductionFrame =
  /** Who somebody is: roster records up to the root, and where it is reached. */
  | { readonly type: "credentials"; readonly records: readonly MeshRecord[] }
  /** Show who these authors are, whose records you sent. */
  | { readonly type: "who"; readonly ids: readonly NodeId[] };

/** Records of one frame. */
export const credentialsMax = 128;
export const whoMax = 64;
/** A member record with a full set of labels is about 70 KiB; others have some hundred bytes. */
const recordBytesMax = 128 * 1024;

const types = ["credentials", "who"] as const;

export function encodeIntroduction(frame: IntroductionFrame, crypto: Pick<Crypto, "sha256">): Uint8Array {
  const writer = new Writer().byte(types.indexOf(frame.type));
  if (frame.type === "who") {
    writer.uint(frame.ids.length);
    for (const id of frame.ids) writer.text(id);
  } else {
    writer.uint(frame.records.length);
    for (const record of frame.records) writer.bytes(storedBytes(record, crypto));
  }
  return writer.done();
}

/** Undefined for anything that is not exactly one frame; a record that cannot be read spoils it. */
export function decodeIntroduction(
  bytes: Uint8Array,
  crypto: Pick<Crypto, "sha256">,
): IntroductionFrame | undefined {
  const reader = new Reader(bytes);
  const type = types[reader.byte()];
  const count = reader.uint();
  if (type === undefined || reader.failed || count > (type === "who" ? whoMax : credentialsMax))
    return undefined;
  const ids: NodeId[] = [];
  const records: MeshRecord[] = [];
  for (let left = count; left > 0; left--) {
    if (type === "who") {
      const id = reader.text(20);
      if (!isNodeId(id)) return undefined;
      ids.push(id);
      continue;
    }
    const opened = openStored(reader.bytes(recordBytesMax), crypto);
    if (!opened.ok) return undefined;
    records.push(opened.value);
  }
  if (reader.failed || !reader.done) return undefined;
  return type === "who" ? { type, ids } : { type, records };
}
