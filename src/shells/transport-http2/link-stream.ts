import type { Http2Stream } from "node:http2";
import type { LinkEnd } from "../../core/membership/contract.ts";
import { frameBytesMax, queueBytesMax } from "../../ports/transport.ts";

/** Frames on one HTTP/2 stream: a length of 4 bytes (big-endian), then the frame. */
export type LinkStream = {
  readonly send: (bytes: Uint8Array) => void;
  readonly close: (end: LinkEnd) => void;
};

const headerBytes = 4;

export function createLinkStream(
  stream: Http2Stream,
  events: { readonly frame: (bytes: Uint8Array) => void; readonly closed: (end: LinkEnd) => void },
): LinkStream {
  let end: LinkEnd | undefined;
  let rest: Buffer = Buffer.alloc(0);

  const finish = (how: LinkEnd): void => {
    if (end !== undefined) return;
    end = how;
    events.closed(how);
    stream.close();
  };

  stream.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= headerBytes) {
      if (end !== undefined) return;
      const length = rest.readUInt32BE(0);
      if (length > frameBytesMax) return finish("ours");
      if (rest.length < headerBytes + length) return;
      const frame = rest.subarray(headerBytes, headerBytes + length);
      rest = rest.subarray(headerBytes + length);
      events.frame(new Uint8Array(frame));
    }
  });
  stream.on("error", () => finish("closed"));
  stream.on("close", () => finish("closed"));
  stream.on("end", () => finish("closed"));

  return {
    send: (bytes) => {
      if (end !== undefined || stream.destroyed) return;
      const header = Buffer.allocUnsafe(headerBytes);
      header.writeUInt32BE(bytes.length, 0);
      stream.write(Buffer.concat([header, bytes]));
      if (stream.writableLength > queueBytesMax) finish("ours");
    },
    close: finish,
  };
}
