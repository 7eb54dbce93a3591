import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { frameBytesMax } from "../../ports/transport.ts";

/**
 * Frames through Zstandard (RFC 8878), each on its own: nothing is kept between frames, so a link costs no
 * memory, and what a frame may grow to is bounded before it does.
 */

/** Shorter frames gain nothing. */
const lengthMin = 64;
/** Large frames are rare, and their bytes are what a metered link pays for. */
const level = { small: 3, large: 9 } as const;
const largeFrom = 4096;

/** The compressed bytes; undefined when they would not be fewer. */
export function compress(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < lengthMin) return undefined;
  const compressed = zstdCompressSync(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: bytes.length < largeFrom ? level.small : level.large,
      [constants.ZSTD_c_contentSizeFlag]: 0,
      [constants.ZSTD_c_checksumFlag]: 0,
    },
  });
  return compressed.length < bytes.length ? compressed : undefined;
}

/** The bytes of a compressed frame; undefined for anything else, and for what is longer than a frame may be. */
export function decompress(compressed: Uint8Array): Uint8Array | undefined {
  try {
    const bytes = zstdDecompressSync(compressed, { maxOutputLength: frameBytesMax });
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch {
    return undefined;
  }
}
