import { fromHex, hex, Reader, Writer } from "../kernel/bytes.ts";
import type { Crypto } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import { readParcels, writeParcels } from "../records/parcel.ts";
import { isNodeId, recordKinds, type MeshRecord } from "../records/record.ts";
import { isScope, type Scope } from "../records/scope.ts";
import type { Cover, LogRef } from "./contract.ts";

/** What two nodes say to compare and complete their records. Everything is bounded before it is read. */
export type SyncFrame =
  /** From the end with the smaller id: the hash of each shared scope. */
  | { readonly type: "compare"; readonly protocol: number; readonly scopes: readonly ScopeHash[] }
  /** Its answer: the same scopes; where hashes differ, how far this end knows every log of the scope. */
  | { readonly type: "heads"; readonly protocol: number; readonly scopes: readonly ScopeHeads[] }
  /** How far the sender knows these logs: the receiver has less of them, or more. Answered with `wants`. */
  | { readonly type: "offer"; readonly logs: readonly LogAt[] }
  /** Send what counts of these logs above the stamps. `graft`: and push what is new from now on. */
  | { readonly type: "wants"; readonly graft: boolean; readonly logs: readonly LogAt[] }
  /**
   * Records, and what they cover. `push`: fresh, unasked. `end`: the last frame of an answer to `wants`;
   * `cut`: the same, but the window was full: ask again from the covers. `found`: the last frame of an answer to `items-want`.
   */
  | {
      readonly type: "records";
      readonly mode: RecordsMode;
      readonly records: readonly MeshRecord[];
      readonly covers: readonly Cover[];
    }
  /** News the sender holds and does not push on this link: logs and their newest stamps. */
  | { readonly type: "have"; readonly logs: readonly LogAt[] }
  /** The receiver's pushes come twice: announce instead. */
  | { readonly type: "prune" }
  /** List the logs of this scope after all: the sketch is not the cheaper way. Answered with `heads`. */
  | { readonly type: "heads-want"; readonly scope: Scope }
  /** Ask for the coded symbols `[from, from + count)` of a scope's sketch, for repair. */
  | { readonly type: "symbols-want"; readonly scope: Scope; readonly from: number; readonly count: number }
  | { readonly type: "symbols"; readonly scope: Scope; readonly from: number; readonly bytes: Uint8Array }
  /** Send the records whose hashes begin with these 8 bytes. */
  | { readonly type: "items-want"; readonly scope: Scope; readonly items: Uint8Array }
  /** A frame of a newer version: ignored. */
  | { readonly type: "unknown" };

export type RecordsMode = "part" | "push" | "end" | "cut" | "found";
export type ScopeHash = { readonly scope: Scope; readonly hash: Uint8Array };
/**
 * `equal`: nothing to do. `heads`: how far the sender knows every log. `sketch`: its logs are so many that
 * a sketch of the records is tried first.
 */
export type ScopeHeads = ScopeHash & { readonly state: ScopeState; readonly logs: readonly LogAt[] };
export type ScopeState = "equal" | "heads" | "sketch";
/** A log up to, or from, a stamp. */
export type LogAt = LogRef & { readonly at: Version };

export const protocolVersion = 2;
/** Records are sent in frames of about this size. */
export const recordsFrameBytes = 256 * 1024;
/** An answer ends after about this many bytes; the asker then asks on. Bounds what is under way on a link. */
export const windowBytes = 1024 * 1024;
export const itemsMax = 4096;
export const symbolsMax = 4096;
/** Logs that a frame names, and that a node has asked a peer for at a time. */
export const logsMax = 20_000;
const scopesMax = 16;
const nodeIdBytes = 10;
const hashBytes = 16;

const types = [
  "compare",
  "heads",
  "offer",
  "wants",
  "records",
  "have",
  "prune",
  "symbols-want",
  "symbols",
  "items-want",
  "heads-want",
] as const;
const states: readonly ScopeState[] = ["equal", "heads", "sketch"];

const modes: readonly RecordsMode[] = ["part", "push", "end", "cut", "found"];

export function encodeFrame(frame: SyncFrame, crypto: Pick<Crypto, "sha256">): Uint8Array {
  if (frame.type === "unknown") throw new RangeError("an unknown frame cannot be sent");
  const writer = new Writer().byte(types.indexOf(frame.type));
  switch (frame.type) {
    case "compare":
      writer.uint(frame.protocol).uint(frame.scopes.length);
      for (const { scope, hash } of frame.scopes) writer.text(scope).raw(hash);
      break;
    case "heads":
      writer.uint(frame.protocol).uint(frame.scopes.length);
      for (const { scope, hash, state, logs } of frame.scopes) {
        writeLogs(writer.text(scope).raw(hash).byte(states.indexOf(state)), logs);
      }
      break;
    case "offer":
    case "have":
      writeLogs(writer, frame.logs);
      break;
    case "wants":
      writeLogs(writer.byte(frame.graft ? 1 : 0), frame.logs);
      break;
    case "records":
      writer.byte(modes.indexOf(frame.mode));
      writeParcels(writer, frame.records, crypto);
      writeLogs(
        writer,
        frame.covers.map((cover) => ({ ...cover, at: cover.to })),
      );
      for (const { from, to } of frame.covers) writer.uint(to - from);
      break;
    case "prune":
      break;
    case "heads-want":
      writer.text(frame.scope);
      break;
    case "symbols-want":
      writer.text(frame.scope).uint(frame.from).uint(frame.count);
      break;
    case "symbols":
      writer.text(frame.scope).uint(frame.from).bytes(frame.bytes);
      break;
    case "items-want":
      writer.text(frame.scope).bytes(frame.items);
      break;
  }
  return writer.done();
}

/** Told without reading it. */
export const isRecordsFrame = (bytes: Uint8Array): boolean => bytes[0] === types.indexOf("records");

/** Undefined for anything that is not exactly one frame within the bounds. */
export function decodeFrame(bytes: Uint8Array, crypto: Pick<Crypto, "sha256">): SyncFrame | undefined {
  const reader = new Reader(bytes);
  const type = reader.byte();
  if (!reader.failed && type >= types.length) return { type: "unknown" };
  const frame = readFrame(reader, types[type], crypto);
  return reader.failed || !reader.done ? undefined : frame;
}

function readFrame(
  reader: Reader,
  type: (typeof types)[number] | undefined,
  crypto: Pick<Crypto, "sha256">,
): SyncFrame | undefined {
  switch (type) {
    case "compare":
      return {
        type,
        protocol: reader.uint(),
        scopes: readMany(reader, scopesMax, () => readScopeHash(reader)),
      };
    case "heads": {
      const protocol = reader.uint();
      const scopes = readMany(reader, scopesMax, () => ({
        ...readScopeHash(reader),
        state: states[reader.byte()] ?? "equal",
        logs: readLogs(reader),
      }));
      return { type, protocol, scopes };
    }
    case "offer":
    case "have":
      return { type, logs: readLogs(reader) };
    case "wants":
      return { type, graft: reader.byte() === 1, logs: readLogs(reader) };
    case "records": {
      const mode = modes[reader.byte()];
      const records = readParcels(reader, crypto);
      const covers = readLogs(reader).map(({ at, ...log }) => ({ ...log, from: at - reader.uint(), to: at }));
      if (mode === undefined || covers.some(({ from }) => from < 0)) {
        reader.failed = true;
        return undefined;
      }
      return { type, mode, records, covers };
    }
    case "prune":
      return { type };
    case "heads-want":
      return { type, scope: readScope(reader) };
    case "symbols-want":
      return { type, scope: readScope(reader), from: reader.uint(), count: reader.uint() };
    case "symbols":
      return { type, scope: readScope(reader), from: reader.uint(), bytes: reader.bytes(symbolsMax * 24) };
    case "items-want":
      return { type, scope: readScope(reader), items: reader.bytes(itemsMax * 8) };
    case undefined:
      reader.failed = true;
      return undefined;
  }
}

/** Logs share their scopes and authors; stamps are close together, so they are written as differences. */
function writeLogs(writer: Writer, logs: readonly LogAt[]): void {
  const scopes = [...new Set(logs.map(({ scope }) => scope))];
  writer.uint(logs.length);
  if (logs.length === 0) return;
  const latest = Math.max(...logs.map(({ at }) => at));
  writer.uint(scopes.length).uint(latest);
  for (const scope of scopes) writer.text(scope);
  for (const { scope, kind, author, at } of logs) {
    writer.byte(scopes.indexOf(scope) * recordKinds.length + recordKinds.indexOf(kind));
    writer.raw(fromHex(author) ?? new Uint8Array(nodeIdBytes)).uint(latest - at);
  }
}

function readLogs(reader: Reader): LogAt[] {
  const count = reader.uint();
  if (count > logsMax) reader.failed = true;
  if (count === 0 || reader.failed) return [];
  const scopeCount = reader.uint();
  const latest = reader.uint();
  if (scopeCount > scopesMax) reader.failed = true;
  const scopes: Scope[] = [];
  while (scopes.length < scopeCount && !reader.failed) scopes.push(readScope(reader));
  const logs: LogAt[] = [];
  while (logs.length < count && !reader.failed) {
    const place = reader.byte();
    const scope = scopes[Math.floor(place / recordKinds.length)];
    const kind = recordKinds[place % recordKinds.length];
    const author = hex(reader.raw(nodeIdBytes));
    const at = latest - reader.uint();
    if (scope === undefined || kind === undefined || !isNodeId(author) || at < 0) reader.failed = true;
    else logs.push({ scope, kind, author, at });
  }
  return reader.failed ? [] : logs;
}

/** Stops at the first failure, so a hostile count costs nothing. */
function readMany<T>(reader: Reader, countMax: number, read: () => T): T[] {
  const count = reader.uint();
  if (count > countMax) reader.failed = true;
  const items: T[] = [];
  while (items.length < count && !reader.failed) items.push(read());
  return items;
}

function readScopeHash(reader: Reader): ScopeHash {
  return { scope: readScope(reader), hash: reader.raw(hashBytes) };
}

function readScope(reader: Reader): Scope {
  const scope = reader.text(128);
  if (isScope(scope)) return scope;
  reader.failed = true;
  return "mesh";
}
