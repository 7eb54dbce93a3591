import { fromHex, hex, textOf, utf8, type Reader, type Writer } from "../kernel/bytes.ts";
import type { Crypto } from "../kernel/crypto.ts";
import { leavesMax } from "./merkle.ts";
import {
  assemble,
  bodyBytesMax,
  extensionBytesMax,
  isNodeId,
  keyLengthMax,
  recordKinds,
  type MeshRecord,
} from "./record.ts";
import { isScope, type Scope } from "./scope.ts";
import { readSeal, writeSeal } from "./seal.ts";
import type { Seal } from "./record.ts";

/**
 * Records on the wire: grouped by the seal that they share, without what they have in common. Keys are
 * written as what differs from the key before; a receiver puts the exact signed frames together again.
 */

const scopesMax = 64;
const authorsMax = 65_536;
const nodeIdBytes = 10;

/** Writes records, which may come from any number of parcels, in the order of their parcels' first ones. */
export function writeParcels(
  writer: Writer,
  records: readonly MeshRecord[],
  crypto: Pick<Crypto, "sha256">,
): void {
  const bySeal = new Map<Seal, MeshRecord[]>();
  for (const record of records) {
    if (record.seal === undefined) throw new RangeError(`${record.key} is not sealed`);
    const group = bySeal.get(record.seal);
    if (group === undefined) bySeal.set(record.seal, [record]);
    else group.push(record);
  }
  const scopes = [...new Set(records.map(({ scope }) => scope))];
  const authors = [...new Set(records.map(({ author }) => author))];
  writer.uint(scopes.length);
  for (const scope of scopes) writer.text(scope);
  writer.uint(authors.length);
  for (const author of authors) writer.raw(fromHex(author) ?? new Uint8Array(nodeIdBytes));
  writer.uint(bySeal.size);
  let key: Uint8Array = new Uint8Array(0);
  for (const [seal, group] of bySeal) {
    group.sort((left, right) => left.at - right.at);
    const [first] = group;
    if (first === undefined) continue;
    writer.uint(scopes.indexOf(first.scope)).uint(authors.indexOf(first.author));
    writer.byte(recordKinds.indexOf(first.kind));
    writer
      .uint(seal.count)
      .uint(seal.last)
      .uint(seal.last - seal.previous)
      .uint(group.length);
    let at = 0;
    for (const record of group) {
      const next = utf8(record.key);
      const shared = sharedPrefix(key, next);
      writer.uint(record.at - at).uint(seal.last - record.version);
      writer.uint(shared).bytes(next.subarray(shared));
      writer.bytes(record.body).bytes(record.extension);
      at = record.at;
      key = next;
    }
    writeSeal(writer, seal, group, crypto);
  }
}

/** Reads what `writeParcels` wrote; marks the reader as failed for anything else. Bounded by its bytes. */
export function readParcels(reader: Reader, crypto: Pick<Crypto, "sha256">): MeshRecord[] {
  const scopes: Scope[] = [];
  const authors: string[] = [];
  const records: MeshRecord[] = [];
  const failed = (): MeshRecord[] => {
    reader.failed = true;
    return [];
  };
  for (let left = bounded(reader, scopesMax); left > 0 && !reader.failed; left--) {
    const scope = reader.text(128);
    if (!isScope(scope)) return failed();
    scopes.push(scope);
  }
  for (let left = bounded(reader, authorsMax); left > 0 && !reader.failed; left--) {
    authors.push(hex(reader.raw(nodeIdBytes)));
  }
  let key: Uint8Array = new Uint8Array(0);
  for (let parcels = reader.uint(); parcels > 0 && !reader.failed; parcels--) {
    const scope = scopes[reader.uint()];
    const author = authors[reader.uint()];
    const kind = recordKinds[reader.byte()];
    const count = reader.uint();
    const last = reader.uint();
    const previous = last - reader.uint();
    const present = reader.uint();
    const whole = scope !== undefined && author !== undefined && isNodeId(author) && kind !== undefined;
    if (reader.failed || !whole || count > leavesMax || present > count || present === 0 || previous < 0)
      return failed();
    const group: MeshRecord[] = [];
    let at = 0;
    for (let left = present; left > 0; left--) {
      const step = reader.uint();
      at += step;
      const version = last - reader.uint();
      const shared = reader.uint();
      const rest = reader.bytes(keyLengthMax);
      const body = reader.bytes(bodyBytesMax);
      const extension = reader.bytes(extensionBytesMax);
      const repeated = group.length > 0 && step === 0;
      const long = shared > key.length || shared + rest.length > keyLengthMax;
      if (reader.failed || at >= count || version < 0 || repeated || long) return failed();
      const next = new Uint8Array(shared + rest.length);
      next.set(key.subarray(0, shared));
      next.set(rest, shared);
      key = next;
      const name = textOf(next);
      if (name === undefined) return failed();
      const record = assemble({ scope, key: name, author, version, kind, body, extension }, crypto);
      record.at = at;
      group.push(record);
    }
    const seal = readSeal(reader, { count, previous, last }, group, crypto);
    if (seal === undefined) return failed();
    for (const record of group) {
      record.seal = seal;
      records.push(record);
    }
  }
  return reader.failed ? [] : records;
}

function bounded(reader: Reader, max: number): number {
  const count = reader.uint();
  if (count <= max) return count;
  reader.failed = true;
  return 0;
}

function sharedPrefix(left: Uint8Array, right: Uint8Array): number {
  const end = Math.min(left.length, right.length);
  let at = 0;
  while (at < end && left[at] === right[at]) at++;
  return at;
}
