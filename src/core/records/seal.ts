import { equalBytes, Reader, textOf, utf8, Writer } from "../kernel/bytes.ts";
import type { Crypto, Signer } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { hashBytes, leavesMax, missingRanges, rangeHash, rangeKey, type Hashes } from "./merkle.ts";
import {
  draftRecord,
  frameBytesMax,
  openFrame,
  recordKinds,
  type MeshRecord,
  type NodeId,
  type RecordDraft,
  type RecordError,
  type Seal,
} from "./record.ts";

/** What an author wrote together, signed together: see `Seal` in record.ts. */

export const signatureBytes = 64;
const storedFormat = 2;
/** The same, of a record whose key meant nothing to the version that stored it; no one flipped bit makes it. */
const unjudgedFormat = 5;
/** A record with all that it takes to verify it alone. */
export const storedBytesMax = frameBytesMax + 12 * hashBytes + signatureBytes + 64;
/** Separates these signatures from any other use of the same key. */
const signedAs = utf8("starlight parcel\0");

/**
 * Signs records of one author and one log together.
 *
 * @param previous Stamp of the author's parcel before in this log; 0 for the first, `last` outside of the chain.
 */
export function sealTogether(
  records: readonly MeshRecord[],
  previous: Version,
  signer: Pick<Signer, "sign">,
  crypto: Pick<Crypto, "sha256">,
): void {
  const [first] = records;
  if (first === undefined || records.length > leavesMax)
    throw new RangeError(`a parcel of ${records.length}`);
  const hashes: Hashes = new Map();
  records.forEach(({ hash }, at) => hashes.set(rangeKey(at, 1), hash));
  const root = rangeHash(hashes, 0, records.length, crypto);
  if (root === undefined) throw new RangeError("a tree without its leaves");
  const last = Math.max(...records.map(({ version }) => version));
  const draft = { count: records.length, previous: Math.min(previous, last), last, root };
  const signature = signer.sign(toSign(first, draft));
  const seal: Seal = { ...draft, signature, hashes, holds: true, live: 0 };
  records.forEach((record, at) => {
    record.seal = seal;
    record.at = at;
  });
}

/**
 * A record that is signed on its own, outside of its author's chain of parcels. It says that it follows itself:
 * whoever gets it learns nothing of what came before, which may be missing.
 */
export function sealRecord(
  draft: RecordDraft,
  author: NodeId,
  signer: Pick<Signer, "sign">,
  crypto: Pick<Crypto, "sha256">,
): MeshRecord {
  const record = draftRecord(draft, author, crypto);
  sealTogether([record], record.version, signer, crypto);
  return record;
}

/** Whether the seal's signature is that of `publicKey`, which must be the record's author's. Looks once. */
export function sealHolds(
  record: MeshRecord,
  publicKey: Uint8Array,
  crypto: Pick<Crypto, "verify">,
): boolean {
  const { seal } = record;
  if (seal === undefined) return false;
  seal.holds ??= crypto.verify(publicKey, toSign(record, seal), seal.signature);
  return seal.holds;
}

/** The seal of these records as it arrived; undefined when the hashes do not make a tree. */
export function readSeal(
  reader: Reader,
  head: { readonly count: number; readonly previous: Version; readonly last: Version },
  records: readonly MeshRecord[],
  crypto: Pick<Crypto, "sha256" | "share">,
): Seal | undefined {
  const hashes: Hashes = new Map();
  for (const { at, hash } of records) hashes.set(rangeKey(at, 1), hash);
  const present = records.map(({ at }) => at);
  for (const { offset, size } of missingRanges(head.count, present)) {
    hashes.set(rangeKey(offset, size), reader.raw(hashBytes).slice());
    if (reader.failed) return undefined;
  }
  const signature = reader.raw(signatureBytes).slice();
  const root = rangeHash(hashes, 0, head.count, crypto);
  if (reader.failed || root === undefined) return undefined;
  const seal: Seal = { ...head, root, signature, hashes, holds: undefined, live: 0 };
  // That of a single record is complete: nothing is added to it later.
  if (head.count > 1 || crypto.share === undefined) return seal;
  return crypto.share(sealHash(seal, crypto), () => seal);
}

/** Hashes that a receiver of these records lacks, and the signature. */
export function writeSeal(
  writer: Writer,
  seal: Seal,
  records: readonly MeshRecord[],
  crypto: Pick<Crypto, "sha256">,
): void {
  const present = records.map(({ at }) => at);
  for (const { offset, size } of missingRanges(seal.count, present)) {
    const hash = rangeHash(seal.hashes, offset, size, crypto);
    if (hash === undefined) throw new RangeError("a seal that does not know its own tree");
    writer.raw(hash);
  }
  writer.raw(seal.signature);
}

/**
 * A record as bytes that can be verified on their own: for disks, files and introductions.
 *
 * @param judged False when only its signature was looked at, since its key is one of a later version.
 */
export function storedBytes(
  record: MeshRecord,
  crypto: Pick<Crypto, "sha256">,
  judged: boolean = true,
): Uint8Array {
  const { seal } = record;
  if (seal === undefined) throw new RangeError(`${record.key} is not sealed`);
  const writer = new Writer().byte(judged ? storedFormat : unjudgedFormat).bytes(record.frame);
  writer.uint(record.at).uint(seal.count).uint(seal.previous).uint(seal.last);
  writeSeal(writer, seal, [record], crypto);
  return writer.done();
}

/** Whether these are the stored bytes of a record that nobody has judged by its key. */
export const isUnjudged = (bytes: Uint8Array): boolean => bytes[0] === unjudgedFormat;

/**
 * Takes stored bytes apart. The signature is not checked here: see `sealHolds`.
 *
 * @param trusted Seals by `sealName` whose other records were read from our own disk: a record of one of
 *   them is not proven against its root once more.
 */
export function openStored(
  bytes: Uint8Array,
  crypto: Pick<Crypto, "sha256" | "share">,
  trusted?: ReadonlyMap<string, Seal>,
): Result<MeshRecord, RecordError> {
  if (bytes.length > storedBytesMax) return malformed(`${bytes.length} bytes, at most ${storedBytesMax}`);
  const reader = new Reader(bytes);
  const format = reader.byte();
  if (!reader.failed && format !== storedFormat && format !== unjudgedFormat)
    return err({ type: "unknown-format", format });
  const frame = reader.bytes(frameBytesMax);
  const at = reader.uint();
  const head = { count: reader.uint(), previous: reader.uint(), last: reader.uint() };
  if (reader.failed || head.count > leavesMax || at >= head.count) return malformed("no place in a parcel");
  const opened = openFrame(frame, crypto);
  if (!opened.ok) return opened;
  const record = opened.value;
  // Neighbours are sent the differences of these stamps.
  if (head.previous > head.last || record.version > head.last) return malformed("stamps out of order");
  record.at = at;
  const known = knownSeal(bytes, record, head, trusted);
  record.seal = known ?? readSeal(reader, head, [record], crypto);
  if (known !== undefined) return ok(record);
  if (record.seal === undefined || reader.failed || !reader.done) {
    return malformed("truncated, or bytes after the end");
  }
  return ok(record);
}

/** The seal that this record shares with others of our disk, completed by what its proof tells. */
function knownSeal(
  bytes: Uint8Array,
  record: MeshRecord,
  head: Pick<Seal, "count" | "previous" | "last">,
  trusted: ReadonlyMap<string, Seal> | undefined,
): Seal | undefined {
  if (head.count === 1) return undefined;
  const signature = bytes.subarray(bytes.length - signatureBytes);
  const seal = trusted?.get(sealName({ signature }));
  if (seal === undefined || !equalBytes(seal.signature, signature) || seal.count !== head.count)
    return undefined;
  const ranges = missingRanges(head.count, [record.at]);
  const proof = new Reader(bytes.subarray(bytes.length - signatureBytes - ranges.length * hashBytes));
  for (const { offset, size } of ranges) {
    const hash = proof.raw(hashBytes);
    const key = rangeKey(offset, size);
    if (!seal.hashes.has(key)) seal.hashes.set(key, hash.slice());
  }
  seal.hashes.set(rangeKey(record.at, 1), record.hash);
  return seal;
}

/** The name under which records that arrive one by one find the seal that they share. */
export const sealName = ({ signature }: Pick<Seal, "signature">): string => latin1(signature.subarray(0, 24));

/** Whether two seals are one: then what each knows of the tree is true of both. */
export function sameSeal(left: Seal, right: Seal): boolean {
  return (
    left.count === right.count &&
    left.previous === right.previous &&
    left.last === right.last &&
    equalBytes(left.root, right.root) &&
    equalBytes(left.signature, right.signature)
  );
}

/** Names a seal of a single record: its root is that record's hash. */
const sealHash = ({ signature, root, previous, last }: Seal, crypto: Pick<Crypto, "sha256">): Uint8Array =>
  crypto.sha256(new Writer().raw(signature).raw(root).uint(previous).uint(last).done());

function toSign(
  { author, scope, kind }: MeshRecord,
  { count, previous, last, root }: Pick<Seal, "count" | "previous" | "last" | "root">,
): Uint8Array {
  const writer = new Writer().raw(signedAs).text(author).text(scope).byte(recordKinds.indexOf(kind));
  return writer.uint(count).uint(previous).uint(last).raw(root).done();
}

function latin1(bytes: Uint8Array): string {
  return textOf(bytes.map((byte) => byte & 0x7f)) ?? "";
}

function malformed(detail: string): Result<never, RecordError> {
  return err({ type: "malformed", detail });
}
