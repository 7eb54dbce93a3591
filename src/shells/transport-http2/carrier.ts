import { constants, type Http2Stream } from "node:http2";
import { Duplex } from "node:stream";

/**
 * Ends a stream at once. Not in the middle of what Node does when a session ends: a reset that is asked for
 * there, on a session whose own carrier is going too, loops without end in native code (Node 24).
 */
export function cutStream(stream: Http2Stream): void {
  setImmediate(() => {
    const { session } = stream;
    if (stream.destroyed || session === undefined || session.destroyed) return;
    const { socket } = session;
    if (socket === undefined || socket.destroyed) stream.session?.destroy();
    else stream.close(constants.NGHTTP2_CANCEL);
  });
}

/**
 * An HTTP/2 stream as a plain stream, to run a session or TLS inside. Node would let an inner session work on
 * the native handle of the stream itself, and that loops without end in native code when the outer session
 * goes first; through a stream of JavaScript the inner one ends as on a cable that is cut.
 */
export function carrierOf(stream: Http2Stream): Duplex {
  const carrier = new Duplex({
    read: () => void stream.resume(),
    write: (chunk: Buffer, _encoding, taken) => {
      if (stream.destroyed || stream.closed || stream.writableEnded)
        return taken(new Error("the stream ended"));
      stream.write(chunk, taken);
    },
    final: (done) => {
      if (!stream.destroyed) stream.end();
      done();
    },
    destroy: (error, done) => {
      cutStream(stream);
      done(error);
    },
  });
  carrier.on("error", () => undefined);
  stream.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => {
    if (!carrier.push(chunk)) stream.pause();
  });
  stream.on("end", () => void carrier.push(null));
  stream.on("close", () => carrier.destroy());
  return carrier;
}
