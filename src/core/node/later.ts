import { partsOf } from "../records/keys.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";

/**
 * Records whose keys this version does not know: kept and passed on for those that do, in bounded numbers,
 * since nobody here can tell what they are good for.
 */

export type LaterRecords = Map<NodeId, { readonly sizeByKey: Map<string, number>; bytes: number }>;

/** Of one author. Beyond them its records are refused here and spread through nodes that know them. */
export const laterRecordsMax = 2_000;
export const laterBytesMax = 4 * 1024 * 1024;

export function countLater(later: LaterRecords, { author, key, frame }: MeshRecord, removed: boolean): void {
  const held = later.get(author) ?? { sizeByKey: new Map<string, number>(), bytes: 0 };
  held.bytes -= held.sizeByKey.get(key) ?? 0;
  held.sizeByKey.delete(key);
  if (!removed) {
    held.sizeByKey.set(key, frame.length);
    held.bytes += frame.length;
  }
  if (held.sizeByKey.size === 0) later.delete(author);
  else later.set(author, held);
}

/** Whether a record may be taken; always true for one whose key we know. */
export function hasRoom(
  { later }: { readonly later: LaterRecords },
  { author, key, frame }: MeshRecord,
): boolean {
  if (partsOf(key) !== undefined) return true;
  const held = later.get(author);
  if (held === undefined) return frame.length <= laterBytesMax;
  const before = held.sizeByKey.get(key);
  if (before === undefined && held.sizeByKey.size >= laterRecordsMax) return false;
  return held.bytes - (before ?? 0) + frame.length <= laterBytesMax;
}
