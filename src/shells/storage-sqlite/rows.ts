import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { StorageError } from "../../ports/storage.ts";
import { storageErrorOf } from "./failures.ts";

/**
 * One slot as it is stored. `generation` is the number of the commit that wrote it, counted over the whole
 * life of a store and never given twice; 0 for what was written before rows had one.
 */
export type Row = { readonly slot: string; readonly bytes: Uint8Array; readonly generation: number };

/** What SQLite hands out, or what the pages of a damaged file seem to hold. */
export type RawRow = Readonly<Record<string, unknown>>;

/**
 * CRC-32 of name, value, generation and the name's length: finds every flipped bit, burst, torn page and
 * swapped row that a disk produces. Of generation 0 only name and value count, as format 1 had it.
 */
export function checksumOf(slot: Uint8Array, bytes: Uint8Array, generation: number): number {
  const content = crc32(bytes, crc32(slot));
  if (generation === 0) return content;
  const trailer = Buffer.alloc(12);
  trailer.writeBigUInt64BE(BigInt(generation));
  trailer.writeUInt32BE(slot.length, 8);
  return crc32(trailer, content);
}

/** The row, when it is what was once written. */
export function rowOf({ slot, bytes, checksum, generation }: RawRow): Row | undefined {
  if (!(slot instanceof Uint8Array) || !(bytes instanceof Uint8Array)) return undefined;
  const number = Number(generation);
  if (!Number.isSafeInteger(number) || number < 0) return undefined;
  // CRC-32 of nothing is 0, so a row that was overwritten with zeroes would look like one of format 1.
  if (number === 0 && slot.length === 0) return undefined;
  if (Number(checksum) !== checksumOf(slot, bytes, number)) return undefined;
  return { slot: Buffer.from(slot).toString(), bytes, generation: number };
}

/** A row's name for people; of a damaged row it may be damaged itself. */
export function nameOf({ slot }: RawRow): string {
  return slot instanceof Uint8Array ? Buffer.from(slot).toString() : String(slot);
}

export type RowStatements = {
  /** False when the slot holds these bytes already: the row stays as it is, and nothing is written. */
  readonly put: (row: Row) => boolean;
  /** False when there was no such slot. */
  readonly remove: (slot: string) => boolean;
};

export function rowStatements(database: DatabaseSync): RowStatements {
  const put = database.prepare(
    `INSERT INTO slots (slot, bytes, checksum, generation) VALUES (?, ?, ?, ?)
     ON CONFLICT (slot) DO UPDATE
     SET bytes = excluded.bytes, checksum = excluded.checksum, generation = excluded.generation
     WHERE bytes IS NOT excluded.bytes`,
  );
  const remove = database.prepare("DELETE FROM slots WHERE slot = ?");
  return {
    put: ({ slot, bytes, generation }) => {
      const name = Buffer.from(slot);
      return put.run(name, bytes, checksumOf(name, bytes, generation), generation).changes !== 0;
    },
    remove: (slot) => remove.run(Buffer.from(slot)).changes !== 0,
  };
}

/** Big integers: a damaged number may be too large for a JavaScript one. */
export function selectRows(database: DatabaseSync): StatementSync {
  const rows = database.prepare("SELECT slot, bytes, checksum, generation FROM slots ORDER BY slot");
  rows.setReadBigInts(true);
  return rows;
}

/** Every row, each checked; throws `corrupt` with the name of the first that is not whole. */
export const loadRows = (rows: StatementSync, path: string): readonly Row[] => [...eachRow(rows, path)];

export function* eachRow(rows: StatementSync, path: string): Generator<Row> {
  try {
    const seen = new Set<string>();
    for (const raw of rows.iterate() as Iterable<RawRow>) {
      const row = rowOf(raw);
      if (row === undefined || seen.has(row.slot)) {
        const wrong = row === undefined ? "does not match its checksum" : "is there twice";
        const detail = `row ${JSON.stringify(nameOf(raw).slice(0, 200))} ${wrong}`;
        throw new StorageError({ type: "corrupt", path, detail });
      }
      seen.add(row.slot);
      yield row;
    }
  } catch (error) {
    throw storageErrorOf(error, path);
  }
}
