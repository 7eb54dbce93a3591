import type { Crypto } from "../kernel/crypto.ts";
import { linksKey, memberKey } from "../records/keys.ts";
import { newestOf } from "../records/log.ts";
import type { NodeId } from "../records/record.ts";
import { openStored } from "../records/seal.ts";
import { cover, emptyStore, findRecord, putRecord, type RecordStore } from "../records/store.ts";
import { restoreHeads } from "./heads.ts";
import { isOwnNote } from "./own-notes.ts";

/**
 * The records of a node that is not running, from its disk and without a trace on it: what was judged when
 * it came is only put back in place, as at boot.
 */
export function storeOnDisk(
  frames: readonly Uint8Array[],
  self: NodeId,
  crypto: Pick<Crypto, "sha256">,
): { readonly store: RecordStore; readonly unreadable: number } {
  const store = emptyStore();
  let unreadable = 0;
  for (const bytes of frames) {
    if (restoreHeads(bytes, (log) => cover(store, log, log.from, log.to)) !== undefined) continue;
    if (isOwnNote(bytes)) continue;
    const opened = openStored(bytes, crypto);
    if (opened.ok) putRecord(store, opened.value);
    else unreadable++;
  }
  // A disk with facts of ours is the one we worked with, and who is alone has nobody else to hold them.
  const alone = [...store.bySlot.values()].every(
    ({ author, key }) => author === self || key === memberKey(self),
  );
  if (alone || findRecord(store, linksKey(self), self) !== undefined) {
    for (const log of store.logs.values()) if (log.author === self) cover(store, log, 0, newestOf(log));
  }
  return { store, unreadable };
}
