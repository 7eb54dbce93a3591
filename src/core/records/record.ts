import { hex, Reader, utf8, Writer } from "../kernel/bytes.ts";
import type { Crypto, Signer } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import { jsonBytes, parseJson, type Json } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { isScope, type Scope } from "./scope.ts";

/** A node's identity: the first 10 bytes of the SHA-256 of its Ed25519 public key, in hex. */
export type NodeId = string;

/** `roster`: who belongs. `intent`: what people want. `fact`: what a node says of itself. */
export type RecordKind = "roster" | "intent" | "fact";

/**
 * One signed, versioned entry of the replicated state.
 *
 * `bytes` is the exact signed frame; it is what is stored and forwarded, so that fields we do not know
 * survive and nobody on the way can change anything. An empty body is a tombstone.
 */
export type MeshRecord = {
  readonly scope: Scope;
  readonly key: string;
  readonly author: NodeId;
  readonly version: Version;
  readonly kind: RecordKind;
  readonly body: Uint8Array;
  readonly bytes: Uint8Array;
  /** The first 16 bytes of the SHA-256 of `bytes`. */
  readonly id: Uint8Array;
};

export type RecordDraft = {
  readonly scope: Scope;
  readonly key: string;
  readonly version: Version;
  readonly kind: RecordKind;
  /** Undefined writes a tombstone. */
  readonly body: Json | undefined;
};

/** Why bytes are not a record. The sender is at fault; a retry of the same bytes is useless. */
export type RecordError =
  | { readonly type: "malformed"; readonly detail: string }
  /** A format newer than ours. It is kept out, not judged. */
  | { readonly type: "unknown-format"; readonly format: number };

export const keyLengthMax = 1024;
export const bodyBytesMax = 1024 * 1024;
export const recordBytesMax = bodyBytesMax + 2 * keyLengthMax;
const signatureBytes = 64;
const idBytes = 16;
const nodeIdBytes = 10;
const format = 1;
const kinds: readonly RecordKind[] = ["roster", "intent", "fact"];
/** Separates these signatures from any other use of the same key. */
const signedAs = utf8("starlight record\0");

export function nodeIdOf(publicKey: Uint8Array, crypto: Pick<Crypto, "sha256">): NodeId {
  return hex(crypto.sha256(publicKey).subarray(0, nodeIdBytes));
}

export const isNodeId = (text: string): text is NodeId => /^[0-9a-f]{20}$/.test(text);

/** What a record replaces: the newest record of the same key and author. */
export const slotOf = (record: { readonly key: string; readonly author: NodeId }): string =>
  `${record.key}\0${record.author}`;

export const isTombstone = (record: MeshRecord): boolean => record.body.length === 0;

/** The parsed body; undefined for a tombstone and for bytes that are not JSON. */
export const bodyOf = (record: MeshRecord): Json | undefined =>
  isTombstone(record) ? undefined : parseJson(record.body);

/** Signs a draft as `author`. The draft is ours: an oversized one is a bug and throws. */
export function sealRecord(
  draft: RecordDraft,
  author: NodeId,
  signer: Pick<Signer, "sign">,
  crypto: Pick<Crypto, "sha256">,
): MeshRecord {
  const body = draft.body === undefined ? new Uint8Array(0) : jsonBytes(draft.body);
  if (draft.key.length > keyLengthMax || body.length > bodyBytesMax) {
    throw new RangeError(`record ${draft.key} is too large: ${body.length} bytes of at most ${bodyBytesMax}`);
  }
  const signed = new Writer()
    .byte(format)
    .byte(kinds.indexOf(draft.kind))
    .text(draft.scope)
    .text(draft.key)
    .text(author)
    .uint(draft.version)
    .bytes(body)
    .done();
  const bytes = new Writer()
    .raw(signed)
    .raw(signer.sign(toSign(signed)))
    .done();
  return {
    scope: draft.scope,
    key: draft.key,
    author,
    version: draft.version,
    kind: draft.kind,
    body,
    bytes,
    id: recordId(bytes, crypto),
  };
}

/** Takes a frame apart. The signature is not checked here: see `signatureHolds`. */
export function openRecord(
  bytes: Uint8Array,
  crypto: Pick<Crypto, "sha256">,
): Result<MeshRecord, RecordError> {
  if (bytes.length > recordBytesMax) return malformed(`${bytes.length} bytes, at most ${recordBytesMax}`);
  const reader = new Reader(bytes);
  const recordFormat = reader.byte();
  if (!reader.failed && recordFormat !== format) return err({ type: "unknown-format", format: recordFormat });
  const kind = kinds[reader.byte()];
  const scope = reader.text(128);
  const key = reader.text(keyLengthMax);
  const author = reader.text(2 * nodeIdBytes);
  const version = reader.uint();
  const body = reader.bytes(bodyBytesMax);
  reader.raw(signatureBytes);
  if (reader.failed || !reader.done) return malformed("truncated, or bytes after the end");
  if (kind === undefined) return malformed("unknown kind");
  if (!isScope(scope)) return malformed(`scope ${JSON.stringify(scope)}`);
  if (!isNodeId(author)) return malformed(`author ${JSON.stringify(author)}`);
  return ok({ scope, key, author, version, kind, body, bytes, id: recordId(bytes, crypto) });
}

export function signatureHolds(
  record: MeshRecord,
  publicKey: Uint8Array,
  crypto: Pick<Crypto, "verify">,
): boolean {
  const end = record.bytes.length - signatureBytes;
  return crypto.verify(publicKey, toSign(record.bytes.subarray(0, end)), record.bytes.subarray(end));
}

function toSign(signed: Uint8Array): Uint8Array {
  return new Writer().raw(signedAs).raw(signed).done();
}

function recordId(bytes: Uint8Array, crypto: Pick<Crypto, "sha256">): Uint8Array {
  return crypto.sha256(bytes).slice(0, idBytes);
}

function malformed(detail: string): Result<never, RecordError> {
  return err({ type: "malformed", detail });
}
