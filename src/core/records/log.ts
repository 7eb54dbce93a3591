import type { Version } from "../kernel/hybrid-clock.ts";
import type { MeshRecord, NodeId, RecordKind } from "./record.ts";
import type { Scope } from "./scope.ts";

/**
 * What one author wrote in one scope and one class, in the order of its stamps. Records that were replaced
 * fall out; what is left is what a peer may lack.
 *
 * `head` says how far we know the log without a gap: we hold every record of it that still counts, up to
 * and including that stamp. Two nodes find what one lacks of the other's log by comparing heads.
 */
export type Log = {
  readonly scope: Scope;
  readonly kind: RecordKind;
  readonly author: NodeId;
  head: Version;
  /** By version, ascending; some may not be live any more. */
  records: MeshRecord[];
  /** How many of `records` are not live. */
  stale: number;
  /** Covered ranges beyond a gap, in no order. */
  ahead: { readonly from: Version; readonly to: Version }[];
};

/** More gaps than this are not remembered one by one: a comparison closes them all. */
const aheadMax = 64;

export const logName = ({ scope, kind, author }: Pick<MeshRecord, "scope" | "kind" | "author">): string =>
  `${scope} ${kind} ${author}`;

export function putIntoLog(log: Log, record: MeshRecord): void {
  const { records } = log;
  const last = records.at(-1);
  if (last === undefined || last.version <= record.version) records.push(record);
  else records.splice(placeAfter(records, record.version), 0, record);
}

/** One of its records stopped being live. */
export function dropFromLog(log: Log): void {
  if (++log.stale < 32 || 2 * log.stale < log.records.length) return;
  log.records = log.records.filter(({ live }) => live);
  log.stale = 0;
}

/** The live records with stamps above `version`, in order. */
export function* recordsAfter({ records }: Log, version: Version): Generator<MeshRecord> {
  for (let at = placeAfter(records, version); at < records.length; at++) {
    const record = records[at];
    if (record?.live === true) yield record;
  }
}

/** The stamp of the newest live record; 0 when there is none. */
export function newestOf({ records }: Log): Version {
  for (let at = records.length - 1; at >= 0; at--) {
    const record = records[at];
    if (record?.live === true) return record.version;
  }
  return 0;
}

export function coverLog(log: Log, from: Version, to: Version): void {
  if (to <= log.head) return;
  if (from > log.head) {
    if (log.ahead.length < aheadMax) log.ahead.push({ from, to });
    return;
  }
  log.head = to;
  for (let next = reached(log); next >= 0; next = reached(log)) {
    const [range] = log.ahead.splice(next, 1);
    log.head = Math.max(log.head, range?.to ?? 0);
  }
}

const reached = ({ ahead, head }: Log): number => ahead.findIndex(({ from }) => from <= head);

/** Where a record of this stamp belongs: behind all with stamps up to it. */
function placeAfter(records: readonly MeshRecord[], version: Version): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((records[middle]?.version ?? 0) <= version) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The lane-wise sum of the hashes of these records, as 32 hex digits: equal for equal sets. */
export function digestOf(records: Iterable<MeshRecord>): string {
  const lanes = new Uint32Array(4);
  for (const { hash } of records) {
    for (let lane = 0; lane < 4; lane++) {
      const [a = 0, b = 0, c = 0, d = 0] = hash.subarray(4 * lane, 4 * lane + 4);
      lanes[lane] = (lanes[lane] ?? 0) + ((a | (b << 8) | (c << 16) | (d << 24)) >>> 0);
    }
  }
  return [...lanes].map((lane) => lane.toString(16).padStart(8, "0")).join("");
}

/** Live records of the log with stamps up to `version` that are no tombstones. */
export function* standingUpTo({ records }: Log, version: Version): Generator<MeshRecord> {
  for (const record of records) {
    if (record.version > version) return;
    if (record.live && record.body.length > 0) yield record;
  }
}
