import { existsSync, readFileSync } from "node:fs";

/**
 * What a write-ahead log holds (https://sqlite.org/fileformat.html, 4). SQLite reads it up to the first
 * frame that does not match the running checksum and silently drops the rest. That is right for a commit
 * that a power cut tore, and wrong for a flipped bit before commits that were acknowledged.
 */
export type Wal = {
  /** The newest committed content of each page, up to the first frame that is not whole. */
  readonly pages: ReadonlyMap<number, Buffer>;
  /** Commits lie behind a frame that is not whole: only the last one can have been torn by a power cut. */
  readonly damaged: boolean;
};

const headerBytes = 32;
const frameHeaderBytes = 24;
const magic = 0x377f0682;
const none: Wal = { pages: new Map(), damaged: false };

export const walOf = (path: string): string => `${path}-wal`;

export function readWal(path: string): Wal {
  const file = walOf(path);
  return existsSync(file) ? parseWal(readFileSync(file)) : none;
}

export function parseWal(log: Buffer): Wal {
  if (log.length < headerBytes + frameHeaderBytes) return none;
  const sum = checksums(log.readUInt32BE(0) === magic + 1);
  const headSum = sum(log, 0, 24, [0, 0]);
  const headerIsWhole =
    (log.readUInt32BE(0) & ~1) >>> 0 === magic &&
    headSum[0] === log.readUInt32BE(24) &&
    headSum[1] === log.readUInt32BE(28);
  const pageBytes = pageSizeIn(log, 8);
  const frameBytes = frameHeaderBytes + pageBytes;
  const frames = Math.floor((log.length - headerBytes) / frameBytes);
  // Without a header, the salts of the first frame say which frames belong together.
  const salts = headerIsWhole ? log.subarray(16, 24) : log.subarray(headerBytes + 8, headerBytes + 16);

  const pages = new Map<number, Buffer>();
  let pending: [number, Buffer][] = [];
  let running = headSum;
  let isWhole = headerIsWhole;
  let commitsBehind = 0;
  for (let frame = 0; frame < frames; frame++) {
    const at = headerBytes + frame * frameBytes;
    const page = log.readUInt32BE(at);
    const isCommit = log.readUInt32BE(at + 4) !== 0;
    const isOurs = page !== 0 && log.subarray(at + 8, at + 16).equals(salts);
    if (isWhole) {
      running = sum(log, at, at + 8, running);
      running = sum(log, at + frameHeaderBytes, at + frameBytes, running);
      isWhole =
        isOurs && running[0] === log.readUInt32BE(at + 16) && running[1] === log.readUInt32BE(at + 20);
    }
    if (isWhole) {
      pending.push([page, log.subarray(at + frameHeaderBytes, at + frameBytes)]);
      if (!isCommit) continue;
      for (const [number, content] of pending) pages.set(number, content);
      pending = [];
    } else if (isOurs && isCommit) commitsBehind++;
  }
  return { pages, damaged: commitsBehind >= 2 };
}

/** A page size as SQLite writes it; our own where it makes no sense. */
export function pageSizeIn(bytes: Buffer, at: number, width: 2 | 4 = 4): number {
  const size = bytes.length >= at + width ? bytes.readUIntBE(at, width) : 0;
  return size >= 512 && size <= 32_768 && (size & (size - 1)) === 0 ? size : 4096;
}

type Sum = readonly [number, number];

/** The running checksum over pairs of 32-bit words, in the byte order that the log's magic number names. */
function checksums(bigEndian: boolean): (bytes: Buffer, from: number, to: number, before: Sum) => Sum {
  return (bytes, from, to, [first, second]) => {
    let [a, b] = [first, second];
    for (let at = from; at < to; at += 8) {
      const x = bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
      const y = bigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4);
      a = (a + x + b) >>> 0;
      b = (b + y + a) >>> 0;
    }
    return [a, b];
  };
}
