import { isLeaseRow } from "../leases/rows.ts";
import { isDayCount } from "./day-count.ts";
import { isHeadsNote } from "./heads.ts";

/** What a node keeps on its disk for itself alone, beside the records. */
export const isOwnNote = (bytes: Uint8Array): boolean =>
  isHeadsNote(bytes) || isLeaseRow(bytes) || isDayCount(bytes);
