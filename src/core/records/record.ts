import { hex, Reader, textOf, utf8, Writer } from "../kernel/bytes.ts";
import type { Crypto } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import { jsonBytes, parseJson, type Json } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { hashBytes, leafPrefix, type Hashes } from "./merkle.ts";
import { isScope, type Scope } from "./scope.ts";

/** A node's identity: the first 10 bytes of the SHA-256 of its Ed25519 public key, in hex. */
export type NodeId = string;

/**
 * `roster`: who belongs. `intent`: what people want. `fact`: what a node says of itself. The others are
 * for later versions: this one keeps such records and passes them on, most urgent kind first.
 */
export type RecordKind = "roster" | "intent" | "fact" | `later-${number}`;

/**
 * One signed, versioned entry of the replicated state.
 *
 * `frame` is exactly what is signed; it is what is stored and forwarded, so that fields we do not know
 * survive and nobody on the way can change anything. An empty body is a tombstone.
 */
export type MeshRecord = {
  readonly scope: Scope;
  readonly key: string;
  readonly author: NodeId;
  readonly version: Version;
  readonly kind: RecordKind;
  readonly body: Uint8Array;
  /** What a newer version of the format added; kept as it is. */
  readonly extension: Uint8Array;
  readonly frame: Uint8Array;
  /** SHA-256 of the frame as a leaf of its seal's tree: 32 bytes. */
  readonly hash: Uint8Array;
  /** What its author wrote together is signed together. Set once, before the record goes anywhere. */
  seal: Seal | undefined;
  /** Its place among the records of its seal. */
  at: number;
  /** Whether a store holds it as the newest of its slot. */
  live: boolean;
};

/**
 * One signature over all that an author wrote together: a *parcel*. The signature covers the root of a
 * hash tree over the records' frames, so any of them can be passed on and verified without the others.
 *
 * Parcels of one author in one log (see store.ts) form a chain: each names the stamp of the one before,
 * so that a receiver knows whether it missed one.
 */
export type Seal = {
  /** How many records were signed together. */
  readonly count: number;
  /** The stamp of the author's parcel before this one in the log; 0 when there is none or the chain is not kept. */
  readonly previous: Version;
  /** The largest stamp in it. */
  readonly last: Version;
  readonly root: Uint8Array;
  readonly signature: Uint8Array;
  /** Hashes of leaves and of the ranges that we do not hold. */
  readonly hashes: Hashes;
  /** Whether the signature was found to hold; undefined before anyone looked. */
  holds: boolean | undefined;
  /** How many of its records are live in the store. */
  live: number;
};

export type RecordDraft = {
  readonly scope: Scope;
  readonly key: string;
  readonly version: Version;
  readonly kind: RecordKind;
  /** Undefined writes a tombstone. */
  readonly body: Json | undefined;
};

/** The parts of a frame, as they are read from a disk or off the wire. */
export type RecordParts = Pick<
  MeshRecord,
  "scope" | "key" | "author" | "version" | "kind" | "body" | "extension"
>;

/** Why bytes are not a record. The sender is at fault; a retry of the same bytes is useless. */
export type RecordError =
  | { readonly type: "malformed"; readonly detail: string }
  /** A format newer than ours. It is kept out, not judged. */
  | { readonly type: "unknown-format"; readonly format: number };

/** In bytes of UTF-8. */
export const keyLengthMax = 1024;
export const bodyBytesMax = 1024 * 1024;
export const extensionBytesMax = 4096;
/** A frame: its parts and their lengths. */
export const frameBytesMax = bodyBytesMax + extensionBytesMax + 2 * keyLengthMax;
/** How many kinds there can ever be: frames name a log by its scope and its kind in one byte. */
const kindsMax = 16;
const kinds: readonly RecordKind[] = ["roster", "intent", "fact"];
/** By their number on the wire and on disks. */
export const recordKinds: readonly RecordKind[] = Array.from(
  { length: kindsMax },
  (_, at): RecordKind => kinds[at] ?? `later-${at}`,
);
const nodeIdBytes = 10;
const format = 2;
const none = new Uint8Array(0);
/** Room for a hash that is found later. */
const noHash = new Uint8Array(hashBytes);

export function nodeIdOf(publicKey: Uint8Array, crypto: Pick<Crypto, "sha256">): NodeId {
  return hex(crypto.sha256(publicKey).subarray(0, nodeIdBytes));
}

export const isNodeId = (text: string): text is NodeId => /^[0-9a-f]{20}$/.test(text);

/**
 * What a record replaces: the newest record of the same key and author. A place is spoken for by one of its
 * nodes after another, so of a summary the newest of all authors stands.
 */
export const slotOf = ({ key, author }: { readonly key: string; readonly author: NodeId }): string =>
  isPlaceKey(key) ? key : `${key}\0${author}`;

/** A summary of a site or a region. */
export const isPlaceKey = (key: string): boolean => key.startsWith("site/") || key.startsWith("region/");

export const isTombstone = (record: MeshRecord): boolean => record.body.length === 0;

/** The parsed body; undefined for a tombstone and for bytes that are not JSON. */
export const bodyOf = (record: MeshRecord): Json | undefined =>
  isTombstone(record) ? undefined : parseJson(record.body);

/** A record that still lacks its seal. The draft is ours: an oversized one is a bug and throws. */
export function draftRecord(draft: RecordDraft, author: NodeId, crypto: Pick<Crypto, "sha256">): MeshRecord {
  const body = draft.body === undefined ? none : jsonBytes(draft.body);
  const keyBytes = utf8(draft.key);
  if (textOf(keyBytes) !== draft.key) throw new RangeError("a key with half of a surrogate pair");
  if (keyBytes.length > keyLengthMax || body.length > bodyBytesMax) {
    throw new RangeError(
      `record ${draft.key} is too large: a key of ${keyBytes.length} bytes of at most ${keyLengthMax}, a body of ${body.length} of at most ${bodyBytesMax}`,
    );
  }
  const { scope, key, version, kind } = draft;
  return assemble({ scope, key, author, version, kind, body, extension: none }, crypto);
}

type SignedParts = RecordParts & Pick<MeshRecord, "frame" | "hash">;

/** The record of these parts, in a buffer of its own: what arrived in one frame is not kept alive by it. */
export function assemble(given: RecordParts, crypto: Pick<Crypto, "sha256" | "share">): MeshRecord {
  const { scope, key, author, version, kind, body, extension } = given;
  // One buffer for the frame, as a leaf of its seal's tree, and its hash: every buffer has a price of its own.
  const made = new Writer()
    .byte(leafPrefix)
    .byte(format)
    .byte(recordKinds.indexOf(kind))
    .text(scope)
    .text(key)
    .text(author)
    .uint(version)
    .bytes(body)
    .bytes(extension)
    .raw(noHash)
    .done();
  const end = made.length - hashBytes;
  const hash = crypto.sha256(made.subarray(0, end));
  const parts = (): SignedParts => {
    made.set(hash, end);
    const bodyEnd = end - extension.length - lengthBytes(extension.length);
    return {
      scope,
      key,
      author,
      version,
      kind,
      body: body.length === 0 ? none : made.subarray(bodyEnd - body.length, bodyEnd),
      extension: extension.length === 0 ? none : made.subarray(bodyEnd + lengthBytes(extension.length), end),
      frame: made.subarray(1, end),
      hash: made.subarray(end),
    };
  };
  const { share } = crypto;
  return { ...(share === undefined ? parts() : share(hash, parts)), seal: undefined, at: 0, live: false };
}

/** Takes a frame apart and puts it together again. The seal is not looked at here: see seal.ts. */
export function openFrame(
  bytes: Uint8Array,
  crypto: Pick<Crypto, "sha256" | "share">,
): Result<MeshRecord, RecordError> {
  if (bytes.length > frameBytesMax) return malformed(`${bytes.length} bytes, at most ${frameBytesMax}`);
  const reader = new Reader(bytes);
  const recordFormat = reader.byte();
  if (!reader.failed && recordFormat !== format) return err({ type: "unknown-format", format: recordFormat });
  const kind = recordKinds[reader.byte()];
  const scope = reader.text(128);
  const key = reader.text(keyLengthMax);
  const author = reader.text(2 * nodeIdBytes);
  const version = reader.uint();
  const body = reader.bytes(bodyBytesMax);
  const extension = reader.bytes(extensionBytesMax);
  if (reader.failed || !reader.done) return malformed("truncated, or bytes after the end");
  if (kind === undefined) return malformed("unknown kind");
  if (!isScope(scope)) return malformed(`scope ${JSON.stringify(scope)}`);
  if (!isNodeId(author)) return malformed(`author ${JSON.stringify(author)}`);
  const record = assemble({ scope, key, author, version, kind, body, extension }, crypto);
  // One record, one form: integers written in more bytes than they need would give other hashes.
  return record.frame.length === bytes.length ? ok(record) : malformed("not in its shortest form");
}

function lengthBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : 3;
}

function malformed(detail: string): Result<never, RecordError> {
  return err({ type: "malformed", detail });
}
