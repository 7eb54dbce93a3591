import { pageSizeIn } from "./wal.ts";
import type { RawRow } from "./rows.ts";

/**
 * Reads rows from the pages of a file that SQLite can no longer walk: every leaf of a table, wherever it
 * lies, whatever stood above it (https://sqlite.org/fileformat.html, 1.6 and 2.1). Free pages are left
 * out, they hold what was deleted. What comes out is only a guess: the row's own checksum decides.
 *
 * @param overlay Pages of the write-ahead log, which are newer than those of the file.
 */
export function rowsInPages(file: Buffer, overlay: ReadonlyMap<number, Buffer>): readonly RawRow[] {
  const pageBytes = pageSizeIn(overlay.get(1) ?? file, 16, 2);
  const count = Math.max(Math.ceil(file.length / pageBytes), ...overlay.keys());
  const pageAt = (number: number): Buffer | undefined => {
    const page = overlay.get(number) ?? file.subarray((number - 1) * pageBytes, number * pageBytes);
    return page.length === pageBytes ? page : undefined;
  };
  const free = freePages(pageAt, count);
  const rows: RawRow[] = [];
  // Page 1 holds the schema, never a row of ours.
  for (let number = 2; number <= count; number++) {
    const page = free.has(number) ? undefined : pageAt(number);
    if (page === undefined || page[0] !== tableLeaf) continue;
    const cells = Math.min(page.readUInt16BE(3), Math.floor((pageBytes - 8) / 2));
    for (let cell = 0; cell < cells; cell++) {
      const row = readCell(page, page.readUInt16BE(8 + 2 * cell), pageAt);
      if (row !== undefined) rows.push(row);
    }
  }
  return rows;
}

const tableLeaf = 0x0d;
const payloadBytesMax = 64 * 1024 * 1024;

type Pages = (number: number) => Buffer | undefined;

/** Payload length, row id, as much of the payload as fits, the page with the rest. */
function readCell(page: Buffer, at: number, pageAt: Pages): RawRow | undefined {
  const length = readVarint(page, at);
  const rowId = length === undefined ? undefined : readVarint(page, length.next);
  if (length === undefined || rowId === undefined || length.value > payloadBytesMax) return undefined;
  const total = length.value;
  const local = localBytes(total, page.length);
  const parts = [page.subarray(rowId.next, rowId.next + local)];
  let read = local;
  let next = read < total ? numberAt(page, rowId.next + local) : 0;
  while (read < total) {
    const more = next === 0 ? undefined : pageAt(next);
    if (more === undefined) return undefined;
    const part = more.subarray(4, 4 + Math.min(total - read, more.length - 4));
    parts.push(part);
    read += part.length;
    next = more.readUInt32BE(0);
  }
  return readRecord(Buffer.concat(parts));
}

/** How much of a payload stays in a leaf: chapter 1.6, with U = page size, P = total. */
function localBytes(total: number, pageBytes: number): number {
  const max = pageBytes - 35;
  if (total <= max) return total;
  const min = Math.floor(((pageBytes - 12) * 32) / 255) - 23;
  const some = min + ((total - min) % (pageBytes - 4));
  return some <= max ? some : min;
}

/** slot, bytes, checksum and, when there is one, generation. */
function readRecord(record: Buffer): RawRow | undefined {
  const head = readVarint(record, 0);
  if (head === undefined || head.value > record.length) return undefined;
  const types: number[] = [];
  for (let at = head.next; at < head.value && types.length <= 4;) {
    const type = readVarint(record, at);
    if (type === undefined) return undefined;
    types.push(type.value);
    at = type.next;
  }
  if (types.length < 3 || types.length > 4) return undefined;
  const values: unknown[] = [];
  let at = head.value;
  for (const type of types) {
    const bytes = type >= 12 ? Math.floor((type - 12) / 2) : (integerBytes[type] ?? -1);
    if (bytes < 0 || at + bytes > record.length) return undefined;
    values.push(type >= 12 ? record.subarray(at, at + bytes) : integerAt(record, at, bytes, type));
    at += bytes;
  }
  const [slot, bytes, checksum, generation = 0] = values;
  return { slot, bytes, checksum, generation };
}

/** Bytes of an integer by its serial type; 8 and 9 are the constants 0 and 1. */
const integerBytes: { readonly [type: number]: number } = {
  1: 1,
  2: 2,
  3: 3,
  4: 4,
  5: 6,
  6: 8,
  8: 0,
  9: 0,
};

function integerAt(record: Buffer, at: number, bytes: number, type: number): number {
  if (bytes === 0) return type - 8;
  return bytes === 8 ? Number(record.readBigInt64BE(at)) : record.readIntBE(at, bytes);
}

/** The list of free pages: trunks, each with the leaves it names. */
function freePages(pageAt: Pages, count: number): ReadonlySet<number> {
  const free = new Set<number>();
  const first = pageAt(1);
  for (let trunk = first === undefined ? 0 : first.readUInt32BE(32); trunk > 0 && !free.has(trunk);) {
    const page = trunk > count ? undefined : pageAt(trunk);
    if (page === undefined) break;
    free.add(trunk);
    const leaves = Math.min(page.readUInt32BE(4), page.length / 4 - 2);
    for (let leaf = 0; leaf < leaves; leaf++) free.add(page.readUInt32BE(8 + 4 * leaf));
    trunk = page.readUInt32BE(0);
  }
  return free;
}

const numberAt = (page: Buffer, at: number): number => (at + 4 <= page.length ? page.readUInt32BE(at) : 0);

/** Big-endian, 7 bits a byte; lengths beyond 2^49 do not occur in whole files. */
function readVarint(
  bytes: Buffer,
  at: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let next = at; next < Math.min(at + 8, bytes.length); next++) {
    const byte = bytes[next] ?? 0;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, next: next + 1 };
  }
  return undefined;
}
