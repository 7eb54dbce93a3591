import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { frameBytesMax } from "../../ports/transport.ts";

/**
 * Frames through Zstandard (RFC 8878), each on its own: nothing is kept between frames, so a link costs no
 * memory, and what a frame may grow to is bounded before it does.
 */

/** Shorter frames become a twentieth smaller, for a third of a millisecond at either end. */
const lengthMin = 400;
/**
 * Small frames are many, so they are compressed in no time; differences of some kilobytes are what a
 * metered link pays for, so they get 1 to 5 ms; beyond, a level that keeps up with the link.
 */
const levels = [
  { upTo: 2048, level: 3 },
  { upTo: 65_536, level: 15 },
  { upTo: Number.POSITIVE_INFINITY, level: 9 },
] as const;

/** The compressed bytes; undefined when they would not be fewer. */
export function compress(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < lengthMin) return undefined;
  const compressed = zstdCompressSync(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: levels.find(({ upTo }) => bytes.length <= upTo)?.level ?? 3,
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
