import { createHash, type Hash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { equalBytes } from "../../core/kernel/bytes.ts";
import { rangeText, spoken } from "../../core/records/protocol.ts";
import { frameBytesMax } from "../../ports/transport.ts";
import { BundleError } from "./bundle-error.ts";
import { headerBytesMax, readHeader, type BundleHeader } from "./header.ts";
import { checksumBytes, format, magic, signatureBytes } from "./write-bundle.ts";

/** A file whose checksum holds. */
export type OpenBundle = {
  readonly header: BundleHeader;
  readonly sizeBytes: number;
  /** What `signature` is over; whose it is, nobody looked at yet. */
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
  /** The frames in order, one in memory at a time. Can be read again. */
  readonly frames: () => AsyncGenerator<Uint8Array>;
};

/** Where bytes come from; `read` gives fewer than asked for only at the end. */
export type ByteSource = { readonly read: (at: number, length: number) => Promise<Uint8Array> };

const decompress = promisify(zstdDecompress);
const startBytes = magic.length + 1 + 4;

/** Opens a file for as long as `use` takes. */
export async function withBundle<T>(path: string, use: (bundle: OpenBundle) => Promise<T>): Promise<T> {
  const file = await open(path, "r");
  try {
    return await use(await openBundle(sourceOfFile(file)));
  } finally {
    await file.close();
  }
}

export const sourceOfBytes = (bytes: Uint8Array): ByteSource => ({
  read: (at, length) => Promise.resolve(bytes.subarray(at, at + length)),
});

/** Reads everything once, for the checksum. Throws a `BundleError`. */
export async function openBundle(source: ByteSource): Promise<OpenBundle> {
  const hash = createHash("sha256");
  const header = await readStart(source, hash);
  const first = startBytes + header.bytes;
  let at = first;
  for (;;) {
    const length = await readLength(source, at, frameBytesMax);
    const run = await whole(source, at, 4 + length);
    hash.update(run);
    at += run.length;
    if (length === 0) break;
  }
  const digest = hash.copy().digest();
  const signature = await whole(source, at, signatureBytes);
  const checksum = await whole(source, at + signatureBytes, checksumBytes);
  const sizeBytes = at + signatureBytes + checksumBytes;
  if (!equalBytes(hash.update(signature).digest(), checksum)) throw altered("its checksum does not match");
  if ((await source.read(sizeBytes, 1)).length > 0) throw altered("something follows its end");
  const value = readHeader(await whole(source, startBytes, header.bytes));
  if (value === undefined) throw altered("its header cannot be read");
  if (value.protocol < spoken.min || value.protocol > spoken.max) {
    throw new BundleError({ type: "protocol", theirs: value.protocol, ours: rangeText(spoken) });
  }
  return { header: value, sizeBytes, digest, signature, frames: () => framesOf(source, first) };
}

async function readStart(source: ByteSource, hash: Hash): Promise<{ readonly bytes: number }> {
  const start = await source.read(0, startBytes);
  const known = equalBytes(start.subarray(0, magic.length), magic.subarray(0, start.length));
  if (start.length === 0 || !known) throw new BundleError({ type: "not-a-bundle" });
  if (start.length < startBytes) throw new BundleError({ type: "truncated" });
  const theirs = start[magic.length] ?? 0;
  if (theirs !== format) throw new BundleError({ type: "newer", format: theirs, ours: format });
  const bytes = await readLength(source, magic.length + 1, headerBytesMax);
  hash.update(await whole(source, 0, startBytes + bytes));
  return { bytes };
}

async function* framesOf(source: ByteSource, first: number): AsyncGenerator<Uint8Array> {
  for (let at = first; ;) {
    const length = await readLength(source, at, frameBytesMax);
    if (length === 0) return;
    const compressed = await whole(source, at + 4, length);
    yield await decompress(compressed, { maxOutputLength: frameBytesMax }).catch(() => {
      throw altered("a part of it cannot be unpacked");
    });
    at += 4 + length;
  }
}

async function readLength(source: ByteSource, at: number, max: number): Promise<number> {
  const bytes = await whole(source, at, 4);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  if (length > max) throw altered(`a part of ${length} bytes, at most ${max}`);
  return length;
}

async function whole(source: ByteSource, at: number, length: number): Promise<Uint8Array> {
  const bytes = await source.read(at, length);
  if (bytes.length < length) throw new BundleError({ type: "truncated" });
  return bytes;
}

function sourceOfFile(file: FileHandle): ByteSource {
  return {
    read: async (at, length) => {
      const buffer = Buffer.alloc(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await file.read(buffer, filled, length - filled, at + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
  };
}

const altered = (detail: string): BundleError => new BundleError({ type: "altered", detail });
