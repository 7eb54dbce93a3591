import { Reader, Writer } from "../kernel/bytes.ts";
import { recordBytesMax } from "../records/record.ts";
import { isScope, type Scope } from "../records/scope.ts";

/**
 * What two nodes say to compare and complete their records. The asking end is the one with the smaller
 * id; it sends `summary`, and `buckets` where hashes differ. Everything is bounded before it is read.
 */
export type SyncFrame =
  /** Protocol version and the hash (16 bytes) and count of each shared scope. */
  | {
      readonly type: "summary" | "summary-reply";
      readonly protocol: number;
      readonly scopes: readonly ScopeSummary[];
    }
  /** `bucketCount` hashes of 8 bytes: the scope's records dealt out by slot. */
  | { readonly type: "buckets"; readonly scope: Scope; readonly hashes: Uint8Array }
  /** Every record of the named buckets, as (slot hash, version, id prefix). */
  | {
      readonly type: "digest";
      readonly scope: Scope;
      readonly buckets: readonly number[];
      readonly entries: readonly DigestEntry[];
    }
  /** Records the sender lacks: by slot hash (from a digest) or by id prefix (from a `have`), in hex. */
  | {
      readonly type: "want";
      readonly by: "slot" | "id";
      readonly scope: Scope;
      readonly names: readonly string[];
    }
  | { readonly type: "records"; readonly frames: readonly Uint8Array[] }
  /** Id prefixes of records the sender just got and does not push. */
  | { readonly type: "have"; readonly scope: Scope; readonly names: readonly string[] };

export type ScopeSummary = { readonly scope: Scope; readonly hash: Uint8Array; readonly count: number };
export type DigestEntry = { readonly slot: string; readonly version: number; readonly id: string };

export const protocolVersion = 1;
export const bucketCount = 256;
/** Records are sent in frames of about this size. */
export const recordsFrameBytes = 256 * 1024;
const namesMax = 20_000;
const scopesMax = 16;
const framesMax = 20_000;
const prefixBytes = 8;

const types = ["summary", "summary-reply", "buckets", "digest", "want", "records", "have"] as const;

export function encodeFrame(frame: SyncFrame): Uint8Array {
  const writer = new Writer().byte(types.indexOf(frame.type));
  switch (frame.type) {
    case "summary":
    case "summary-reply":
      writer.uint(frame.protocol).uint(frame.scopes.length);
      for (const { scope, hash, count } of frame.scopes) writer.text(scope).raw(hash).uint(count);
      break;
    case "buckets":
      writer.text(frame.scope).raw(frame.hashes);
      break;
    case "digest":
      writer.text(frame.scope).uint(frame.buckets.length);
      for (const bucket of frame.buckets) writer.uint(bucket);
      writer.uint(frame.entries.length);
      for (const { slot, version, id } of frame.entries) putName(putName(writer, slot).uint(version), id);
      break;
    case "want":
      writer.byte(frame.by === "slot" ? 0 : 1);
      putNames(writer, frame.scope, frame.names);
      break;
    case "have":
      putNames(writer, frame.scope, frame.names);
      break;
    case "records":
      writer.uint(frame.frames.length);
      for (const bytes of frame.frames) writer.bytes(bytes);
      break;
  }
  return writer.done();
}

/** Undefined for anything that is not exactly one frame within the bounds. */
export function decodeFrame(bytes: Uint8Array): SyncFrame | undefined {
  const reader = new Reader(bytes);
  const frame = readFrame(reader);
  return reader.failed || !reader.done ? undefined : frame;
}

function readFrame(reader: Reader): SyncFrame | undefined {
  const type = types[reader.byte()];
  switch (type) {
    case "summary":
    case "summary-reply": {
      const protocol = reader.uint();
      const scopes = readMany(reader, scopesMax, () => ({
        scope: readScope(reader),
        hash: reader.raw(16),
        count: reader.uint(),
      }));
      return { type, protocol, scopes };
    }
    case "buckets":
      return { type, scope: readScope(reader), hashes: reader.raw(bucketCount * prefixBytes) };
    case "digest": {
      const scope = readScope(reader);
      const buckets = readMany(reader, bucketCount, () => reader.uint());
      const entries = readMany(reader, 1_000_000, () => ({
        slot: readName(reader),
        version: reader.uint(),
        id: readName(reader),
      }));
      return { type, scope, buckets, entries };
    }
    case "want": {
      const by = reader.byte() === 0 ? "slot" : "id";
      return { type, by, ...readNames(reader) };
    }
    case "have":
      return { type, ...readNames(reader) };
    case "records":
      return { type, frames: readMany(reader, framesMax, () => reader.bytes(recordBytesMax)) };
    case undefined:
      reader.failed = true;
      return undefined;
  }
}

/** Stops at the first failure, so a hostile count costs nothing. */
function readMany<T>(reader: Reader, countMax: number, read: () => T): T[] {
  const count = reader.uint();
  if (count > countMax) reader.failed = true;
  const items: T[] = [];
  while (items.length < count && !reader.failed) items.push(read());
  return items;
}

function readScope(reader: Reader): Scope {
  const scope = reader.text(128);
  if (isScope(scope)) return scope;
  reader.failed = true;
  return "mesh";
}

function putNames(writer: Writer, scope: Scope, names: readonly string[]): void {
  writer.text(scope).uint(names.length);
  for (const name of names) putName(writer, name);
}

function readNames(reader: Reader): { scope: Scope; names: string[] } {
  return { scope: readScope(reader), names: readMany(reader, namesMax, () => readName(reader)) };
}

/** Names are 8 bytes on the wire and latin-1 text (one character a byte) as keys in memory. */
function putName(writer: Writer, name: string): Writer {
  for (let at = 0; at < prefixBytes; at++) writer.byte(name.charCodeAt(at));
  return writer;
}

function readName(reader: Reader): string {
  return nameOf(reader.raw(prefixBytes));
}

export function nameOf(bytes: Uint8Array): string {
  let name = "";
  for (let at = 0; at < prefixBytes; at++) name += String.fromCharCode(bytes[at] ?? 0);
  return name;
}
