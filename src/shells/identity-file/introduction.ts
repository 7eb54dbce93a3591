import { Reader, Writer } from "../../core/kernel/bytes.ts";
import { storedBytesMax } from "../../core/records/seal.ts";

/**
 * The record frames a node starts life with: enough of the roster to trust its peers, and of their
 * status to reach them. Kept beside the identity, so that a lost database is not a lost membership.
 */

const framesMax = 100_000;

export function packFrames(frames: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer().uint(frames.length);
  for (const frame of frames) writer.bytes(frame);
  return writer.done();
}

/** The frames; undefined when the bytes are not whole. */
export function unpackFrames(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const reader = new Reader(bytes);
  const count = reader.uint();
  if (count > framesMax) return undefined;
  const frames: Uint8Array[] = [];
  for (let at = 0; at < count && !reader.failed; at++) frames.push(reader.bytes(storedBytesMax));
  return reader.failed || !reader.done ? undefined : frames;
}
