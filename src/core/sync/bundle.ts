import { utf8, Writer } from "../kernel/bytes.ts";
import type { Crypto } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import { logName, recordsAfter, type Log } from "../records/log.ts";
import { recordKinds, type MeshRecord, type NodeId } from "../records/record.ts";
import type { Scope } from "../records/scope.ts";
import { scopeDigest, type RecordStore } from "../records/store.ts";
import type { Cover, LogRef } from "./contract.ts";
import { decodeFrame, encodeFrame, recordsFrameBytes, type LogAt } from "./frames.ts";

/**
 * The state exchange in a file: what a sync would send to a node that knows its logs up to given heads, as
 * the frames that a sync would send it in. No one answers, so nothing is asked for and nothing is offered.
 */
export type Bundle = {
  /** The state that the bundle leads to, of each scope in it. */
  readonly scopes: readonly BundleScope[];
  readonly records: number;
  /** Most urgent class first. Its records are those of the moment when the bundle was made. */
  readonly frames: Iterable<Uint8Array>;
};

export type BundleScope = { readonly scope: Scope; readonly hash: Uint8Array; readonly count: number };
export type BundlePart = { readonly records: readonly MeshRecord[]; readonly covers: readonly Cover[] };

/**
 * Who made a bundle. Records carry their authors' signatures; how far they are complete is the maker's
 * word, so the maker signs the SHA-256 of the file.
 */
export type BundleMaker = {
  readonly node: NodeId;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
};

/** Separates these signatures from any other use of the same key. */
const signedAs = utf8("starlight bundle\0");
/** Below what a frame may list of logs. */
const logsPerFrame = 5_000;

type Run = {
  readonly log: LogRef;
  readonly from: Version;
  readonly head: Version;
  readonly records: readonly MeshRecord[];
};

/**
 * @param wanted The scopes that go in.
 * @param since How far the receiver knows the logs; a log that is not listed goes in whole.
 */
export function makeBundle(
  store: RecordStore,
  wanted: (scope: Scope) => boolean,
  since: readonly LogAt[],
  crypto: Pick<Crypto, "sha256">,
): Bundle {
  const theirs = new Map(since.map((log) => [logName(log), log.at] as const));
  const logs = sortedLogs(store, wanted);
  // Taken now: while the frames are written out the store moves on, and a head must not cover what came later.
  const runs = recordKinds.flatMap((kind) =>
    logs.filter((log) => log.kind === kind).map((log) => runOf(log, theirs.get(logName(log)) ?? 0)),
  );
  const scopes = [...store.hashByScope.keys()].filter(wanted).sort();
  return {
    scopes: scopes.map((scope) => ({ scope, ...scopeDigest(store, scope) })),
    records: runs.reduce((sum, { records }) => sum + records.length, 0),
    frames: framesOf(runs, crypto),
  };
}

/** How far a store knows the logs of these scopes. */
export function headsIn(store: RecordStore, wanted: (scope: Scope) => boolean): LogAt[] {
  return sortedLogs(store, wanted)
    .filter(({ head }) => head > 0)
    .map(({ scope, kind, author, head }) => ({ scope, kind, author, at: head }));
}

export function* headFrames(heads: readonly LogAt[], crypto: Pick<Crypto, "sha256">): Generator<Uint8Array> {
  for (let from = 0; from < heads.length; from += logsPerFrame) {
    yield encodeFrame({ type: "offer", logs: heads.slice(from, from + logsPerFrame) }, crypto);
  }
}

/** Undefined for anything that is not a frame of a bundle. */
export function readBundleFrame(bytes: Uint8Array, crypto: Pick<Crypto, "sha256">): BundlePart | undefined {
  const frame = decodeFrame(bytes, crypto);
  return frame?.type === "records" ? { records: frame.records, covers: frame.covers } : undefined;
}

export function readHeadFrame(
  bytes: Uint8Array,
  crypto: Pick<Crypto, "sha256">,
): readonly LogAt[] | undefined {
  const frame = decodeFrame(bytes, crypto);
  return frame?.type === "offer" ? frame.logs : undefined;
}

/** What the maker of a bundle signs. */
export const bundleToSign = (digest: Uint8Array): Uint8Array => new Writer().raw(signedAs).raw(digest).done();

function sortedLogs(store: RecordStore, wanted: (scope: Scope) => boolean): Log[] {
  return [...store.logs]
    .filter(([, { scope }]) => wanted(scope))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, log]) => log);
}

function runOf(log: Log, from: Version): Run {
  const { scope, kind, author, head } = log;
  return { log: { scope, kind, author }, from, head, records: [...recordsAfter(log, from)] };
}

function* framesOf(runs: readonly Run[], crypto: Pick<Crypto, "sha256">): Generator<Uint8Array> {
  let records: MeshRecord[] = [];
  let covers: Cover[] = [];
  let bytes = 0;
  const closed = (): Uint8Array => {
    const frame = encodeFrame({ type: "records", mode: "part", records, covers }, crypto);
    [records, covers, bytes] = [[], [], 0];
    return frame;
  };
  for (const run of runs) {
    let covered = run.from;
    let reached = run.from;
    const coverUpTo = (to: Version): void => {
      if (to <= covered) return;
      covers.push({ ...run.log, from: covered, to });
      covered = to;
    };
    for (const record of run.records) {
      if (bytes + record.frame.length > recordsFrameBytes && records.length > 0) {
        coverUpTo(Math.min(reached, run.head));
        yield closed();
      }
      records.push(record);
      reached = record.version;
      bytes += record.frame.length;
    }
    coverUpTo(run.head);
    if (covers.length >= logsPerFrame) yield closed();
  }
  if (records.length + covers.length > 0) yield closed();
}
