import type { Http2Stream } from "node:http2";
import type { LinkEnd } from "../../core/membership/contract.ts";
import { compress, decompress } from "./compression.ts";
import { frameBytesMax, queueBytesMax } from "../../ports/transport.ts";

/**
 * Frames on one HTTP/2 stream: a length of 4 bytes (big-endian), then that many bytes. The length's top
 * bit says that the bytes are compressed (see compression.ts). A length of `callMark` is a call and has no
 * bytes: it asks the end that opened the link for a session in reverse (see reverse.ts), and is only sent
 * to one that said it understands.
 */
export type LinkStream = {
  readonly send: (bytes: Uint8Array) => void;
  /** On the wire so far, as far as this end can know: nobody here sees what is sent once more after a loss. */
  readonly sentBytes: () => number;
  /** Ends the link on our side; what is queued still goes out if the peer takes it soon. */
  readonly close: () => void;
  /** The link stands on nothing any more, and that proves nothing of the peer. */
  readonly giveUp: () => void;
  readonly call: () => void;
};

export type LinkStreamEvents = {
  readonly frame: (bytes: Uint8Array) => void;
  readonly called: () => void;
  /** Once, and nothing after it; never from inside a call of ours. */
  readonly closed: (end: LinkEnd) => void;
};

const headerBytes = 4;
/** HTTP/2 frame header, TLS 1.3 record, and for each packet IPv4 and TCP with timestamps. */
const layersBytes = 9 + 22;
const packetBytes = 1_448;
const packetHeaderBytes = 52;
const compressedBit = 0x80000000;
const callMark = 0x40000000;
/** How long a closed link may take to say goodbye before its stream is cut. */
const goodbyeMs = 1_000;

export function createLinkStream(stream: Http2Stream, events: LinkStreamEvents): LinkStream {
  let ended = false;
  let ownError = false;
  let sentBytes = 0;

  const finish = (end: LinkEnd): boolean => {
    if (ended) return false;
    ended = true;
    // What broke the stream is told after that it broke, in the same turn of the event loop.
    setImmediate(() => events.closed(end === "closed" && ownError ? "failed" : end));
    return true;
  };
  const closePolitely = (): void => {
    if (!finish("ours")) return;
    stream.close();
    setTimeout(() => stream.destroy(), goodbyeMs).unref();
  };
  const cut = (end: LinkEnd = "ours"): void => {
    if (finish(end)) stream.destroy();
  };

  const read = frameReader({
    frame: (frame) => {
      if (!ended) events.frame(frame);
    },
    called: events.called,
    broken: () => cut(),
  });
  stream.on("data", (chunk: Buffer) => {
    if (!ended) read(chunk);
  });
  stream.on("error", (error) => {
    if (isOurs(error)) ownError = true;
  });
  for (const event of ["end", "error", "close", "aborted"]) {
    stream.on(event, () => {
      // Later: inside of what Node does to end a stream, this would make its next frames endless (Node 24).
      if (finish("closed")) setImmediate(() => stream.destroy());
    });
  }
  if (stream.destroyed) finish("closed");

  return {
    send: (bytes) => {
      if (ended || stream.destroyed) return;
      if (bytes.length > frameBytesMax) return cut();
      const packed = compress(bytes);
      const payload = packed ?? bytes;
      const frame = Buffer.allocUnsafe(headerBytes + payload.length);
      frame.writeUInt32BE((packed === undefined ? 0 : compressedBit) + payload.length, 0);
      frame.set(payload, headerBytes);
      stream.write(frame);
      sentBytes += onWire(frame.length);
      if (stream.writableLength > queueBytesMax) cut();
    },
    sentBytes: () => sentBytes,
    close: closePolitely,
    giveUp: () => cut("silent"),
    call: () => {
      if (ended || stream.destroyed) return;
      const mark = Buffer.allocUnsafe(headerBytes);
      mark.writeUInt32BE(callMark, 0);
      stream.write(mark);
    },
  };
}

/** Errors that our own kernel makes when it cannot send: the peer's kernel has said nothing. */
const ownErrors = new Set(["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN"]);

function isOurs(error: unknown): boolean {
  return error instanceof Error && "code" in error && ownErrors.has(String(error.code));
}

function onWire(frameBytes: number): number {
  const bytes = frameBytes + layersBytes;
  return bytes + Math.ceil(bytes / packetBytes) * packetHeaderBytes;
}

/**
 * Cuts chunks into frames. Holds no more than was received: a length that was only announced costs
 * nothing. Each frame is a copy, so keeping one does not keep the chunk it came in.
 */
function frameReader({
  frame,
  called,
  broken,
}: {
  readonly frame: (bytes: Uint8Array) => void;
  readonly called: () => void;
  readonly broken: () => void;
}): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let held = 0;
  let wanted = headerBytes;
  let inHeader = true;
  let compressed = false;

  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    if (held < wanted) return;
    let rest = chunks.length === 1 ? chunk : Buffer.concat(chunks, held);
    while (rest.length >= wanted) {
      const part = rest.subarray(0, wanted);
      rest = rest.subarray(wanted);
      if (inHeader) {
        const length = part.readUInt32BE(0);
        if (length === callMark) {
          called();
          continue;
        }
        compressed = length >= compressedBit;
        wanted = compressed ? length - compressedBit : length;
        if (wanted > frameBytesMax) return broken();
      } else {
        const bytes = compressed ? decompress(part) : new Uint8Array(part);
        if (bytes === undefined) return broken();
        frame(bytes);
        wanted = headerBytes;
      }
      inHeader = !inHeader;
    }
    chunks = rest.length === 0 ? [] : [rest];
    held = rest.length;
  };
}
