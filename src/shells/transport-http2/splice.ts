import type { Http2Stream } from "node:http2";
import { cutStream } from "./carrier.ts";

/** How many bytes a second may pass, all streams that share the meter together. */
export type Meter = {
  /** Counts bytes that passed. @returns for how many ms nothing more should be read. */
  readonly passed: (bytes: number) => number;
};

/** A second's worth may pass at once; what goes beyond is waited for. */
export function createMeter(bytesPerSecond: number, now: () => number): Meter {
  let owed = 0;
  let at = now();
  return {
    passed: (bytes) => {
      const time = now();
      owed = Math.max(0, owed - ((time - at) / 1_000) * bytesPerSecond) + bytes;
      at = time;
      return owed <= bytesPerSecond ? 0 : Math.ceil(((owed - bytesPerSecond) / bytesPerSecond) * 1_000);
    },
  };
}

/** Bytes that wait here in one direction until the other side takes them. */
const heldBytesMax = 256 * 1024;

/**
 * Passes the bytes of two streams on to each other, unread, until one ends or nothing passed for `idleMs`.
 *
 * Nothing is read from one side that the other does not take, so at most `heldBytesMax` and a chunk are
 * held here; what is under way to us is bounded by HTTP/2's window of the stream.
 */
export function splice(one: Http2Stream, other: Http2Stream, meter: Meter, idleMs: number): void {
  const idle = setTimeout(cut, idleMs);
  const alive = (): void => void idle.refresh();
  function cut(): void {
    clearTimeout(idle);
    for (const stream of [one, other]) cutStream(stream);
  }
  pump(one, other, meter, alive);
  pump(other, one, meter, alive);
  for (const stream of [one, other]) {
    stream.on("error", () => undefined);
    stream.on("aborted", cut);
    stream.on("close", cut);
  }
}

function pump(from: Http2Stream, to: Http2Stream, meter: Meter, alive: () => void): void {
  let waits = 0;
  const resume = (): void => {
    if (--waits === 0 && !from.destroyed) from.resume();
  };
  from.on("data", (chunk: Buffer) => {
    alive();
    const waitMs = meter.passed(chunk.length);
    if (to.destroyed || to.writableEnded) return;
    // A full buffer of Node's own size would stop the sender for each of its frames.
    if (!to.write(chunk) && to.writableLength > heldBytesMax) {
      waits++;
      to.once("drain", resume);
    }
    if (waitMs > 0) {
      waits++;
      setTimeout(resume, waitMs);
    }
    if (waits > 0) from.pause();
  });
  from.on("end", () => {
    if (!to.destroyed) to.end();
  });
}
