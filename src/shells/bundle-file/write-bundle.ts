import { createHash } from "node:crypto";
import { constants, zstdCompress } from "node:zlib";
import { promisify } from "node:util";
import { writeHeader, type BundleHeader } from "./header.ts";

/**
 * The file, front to back, so that it can be streamed:
 *
 *     "starlight bundle\n"            also a test against transfers that change line ends
 *     1 byte                          format
 *     4 bytes, JSON                   length and header
 *     4 bytes, Zstandard frame        length and one frame of the sync, again and again
 *     4 bytes of zero                 the end
 *     64 bytes                        the maker's Ed25519 signature over the SHA-256 of all before it
 *     32 bytes                        SHA-256 of all before it
 *
 * Lengths are big-endian.
 */
export const magic = Buffer.from("starlight bundle\n");
export const format = 1;
export const signatureBytes = 64;
export const checksumBytes = 32;

const compress = promisify(zstdCompress);
const level = 9;

export async function* bundleBytes(
  header: BundleHeader,
  frames: Iterable<Uint8Array>,
  sign: (digest: Uint8Array) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  const hashed = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes);
    return bytes;
  };
  const json = writeHeader(header);
  yield hashed(Buffer.concat([magic, Buffer.of(format), lengthOf(json), json]));
  for (const frame of frames) {
    const bytes = await compress(frame, { params: { [constants.ZSTD_c_compressionLevel]: level } });
    yield hashed(Buffer.concat([lengthOf(bytes), bytes]));
  }
  const end = Buffer.alloc(4);
  hash.update(end);
  const signature = hashed(sign(hash.copy().digest()));
  yield Buffer.concat([end, signature, hash.digest()]);
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}
