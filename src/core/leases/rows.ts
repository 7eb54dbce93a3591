import { Reader, Writer } from "../kernel/bytes.ts";
import type { NodeId } from "../records/record.ts";
import { nameLengthMax, type Roll, type Voter } from "./contract.ts";
import { readRoll, writeRoll, type Accepted } from "./frames.ts";

/**
 * What leases keep on disk, each row standing for itself: its first byte tells it from a record and from
 * other notes, its second what it is.
 */
export type Row =
  /** The name of this disk's memory, and whether it is the first this node ever had. */
  | { readonly type: "memory"; readonly memory: string; readonly original: boolean }
  | {
      readonly type: "roll";
      readonly electorate: string;
      readonly roll: Roll | undefined;
      /** Voters who were heard to go by the roll. What they said stands, whatever becomes of them. */
      readonly confirmed: readonly NodeId[];
      readonly floor: number;
      readonly accepted: Accepted | undefined;
    }
  | {
      readonly type: "promise";
      readonly electorate: string;
      readonly name: string;
      readonly epoch: number;
      readonly holder: Voter;
    }
  | {
      readonly type: "claim";
      readonly electorate: string;
      readonly name: string;
      readonly epoch: number;
      readonly token: number;
    };

const format = 0x4c;
/** What was written under 1 to 4 counted epochs otherwise, or said less, and is not read any more. */
const codes = { memory: 0, promise: 5, claim: 6, roll: 7 } as const;
const types = Object.keys(codes) as readonly Row["type"][];

export const isLeaseRow = (bytes: Uint8Array): boolean => bytes[0] === format;

export function slotOfRow(row: Row): string {
  switch (row.type) {
    case "memory":
      return "meta/lease-memory";
    case "roll":
      return `meta/lease-roll/${row.electorate}`;
    case "promise":
      return `meta/lease-promise/${row.electorate}/${row.name}`;
    case "claim":
      return `meta/lease-claim/${row.name}`;
  }
}

export function encodeRow(row: Row): { readonly slot: string; readonly bytes: Uint8Array } {
  const writer = new Writer().byte(format).byte(codes[row.type]);
  switch (row.type) {
    case "memory":
      writer.text(row.memory).byte(row.original ? 1 : 0);
      break;
    case "roll":
      writer.text(row.electorate).uint(row.floor).uint(row.confirmed.length);
      for (const id of row.confirmed) writer.text(id);
      writeRoll(writer, row.roll);
      writer.uint(row.accepted?.ballot ?? 0);
      writeRoll(writer, row.accepted?.next);
      break;
    case "promise":
      writer.text(row.electorate).text(row.name).uint(row.epoch).text(row.holder.id).text(row.holder.memory);
      break;
    case "claim":
      writer.text(row.electorate).text(row.name).uint(row.epoch).uint(row.token);
      break;
  }
  return { slot: slotOfRow(row), bytes: writer.done() };
}

/** Undefined for a row that no version of ours wrote. */
export function decodeRow(bytes: Uint8Array): Row | undefined {
  const reader = new Reader(bytes);
  if (reader.byte() !== format) return undefined;
  const code = reader.byte();
  const type = types.find((each) => codes[each] === code);
  const row = type === undefined ? undefined : readRow(reader, type);
  return reader.failed ? undefined : row;
}

function readRow(reader: Reader, type: Row["type"]): Row {
  switch (type) {
    case "memory":
      return { type, memory: reader.text(32), original: reader.byte() === 1 };
    case "roll": {
      const [electorate, floor, count] = [reader.text(300), reader.uint(), reader.uint()];
      const confirmed: NodeId[] = [];
      for (let at = 0; at < count && !reader.failed; at++) confirmed.push(reader.text(20));
      const [roll, ballot, next] = [readRoll(reader), reader.uint(), readRoll(reader)];
      return {
        type,
        electorate,
        confirmed,
        floor,
        roll,
        accepted: next === undefined ? undefined : { ballot, next },
      };
    }
    case "promise": {
      const [electorate, name, epoch] = [reader.text(300), reader.text(nameLengthMax), reader.uint()];
      return { type, electorate, name, epoch, holder: { id: reader.text(20), memory: reader.text(32) } };
    }
    case "claim": {
      const [electorate, name] = [reader.text(300), reader.text(nameLengthMax)];
      return { type, electorate, name, epoch: reader.uint(), token: reader.uint() };
    }
  }
}
