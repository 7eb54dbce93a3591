import {
  constants,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import { isNodeId, type NodeId } from "../../core/records/record.ts";
import { carrierOf } from "./carrier.ts";
import type { ClientSession } from "./client-sessions.ts";
import { DialError } from "./dial.ts";
import { createMeter, splice, type Meter } from "./splice.ts";

/**
 * A path to a member that cannot be dialled, through one that has links with both ends. The relay joins two
 * streams of sessions that exist anyway. TLS runs between the ends inside, with the same proof of identity
 * as on a direct path, so the relay can neither read nor forge; it can only stop.
 *
 *     asking end -> relay   POST /starlight/v1/relay    starlight-to: <id>
 *     relay -> other end    POST /starlight/v1/relayed
 */

export const relayPath = "/starlight/v1/relay";
export const relayedPath = "/starlight/v1/relayed";
const toHeader = "starlight-to";

/** Streams that a node carries for others at once: for one member that asks, and in all. */
export const relayStreamsMax = { perMember: 16, total: 256 } as const;
/** A link beats more often than this on the slowest class of uplink. */
const idleMs = 180_000;
const answerTimeoutMs = 2_500;
const refusalBytesMax = 512;

export type Relay = {
  /** Answers a member that asks to be carried on. */
  readonly accept: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, from: NodeId) => void;
};

export type RelayOptions = {
  /** All that one member may send and get through us; 0: we carry nothing. */
  readonly bytesPerSecond: number;
  readonly near: (peer: NodeId, signal: AbortSignal) => Promise<ClientSession>;
};

export function createRelay({ bytesPerSecond, near }: RelayOptions): Relay {
  const carriedFor = new Map<NodeId, { streams: number; readonly meter: Meter }>();
  let total = 0;

  const accept: Relay["accept"] = (stream, headers, from) => {
    const to = headers[toHeader];
    const theirs = carriedFor.get(from) ?? {
      streams: 0,
      meter: createMeter(bytesPerSecond, () => performance.now()),
    };
    if (bytesPerSecond === 0) return refuseStream(stream, 403, "this node does not relay");
    if (typeof to !== "string" || !isNodeId(to))
      return refuseStream(stream, 400, `${toHeader}: give a node id`);
    if (to === from) return refuseStream(stream, 400, `${toHeader}: that is you`);
    if (theirs.streams >= relayStreamsMax.perMember)
      return refuseStream(stream, 429, `it carries ${relayStreamsMax.perMember} streams for you already`);
    if (total >= relayStreamsMax.total)
      return refuseStream(stream, 429, `it carries ${relayStreamsMax.total} streams already`);
    carriedFor.set(from, theirs);
    theirs.streams++;
    total++;
    stream.on("error", () => undefined);
    stream.once("close", () => {
      total--;
      theirs.streams--;
    });
    carryOn(stream, near(to, AbortSignal.timeout(answerTimeoutMs)), theirs.meter);
  };
  return { accept };
}

function carryOn(stream: ServerHttp2Stream, session: Promise<ClientSession>, meter: Meter): void {
  session
    .then((ready) => opened(ready, { ":path": relayedPath }, AbortSignal.timeout(answerTimeoutMs)))
    .then(
      (far) => {
        if (stream.destroyed) return far.close(constants.NGHTTP2_CANCEL);
        stream.respond({ ":status": 200 });
        splice(stream, far, meter, idleMs);
      },
      (error: unknown) => refuseStream(stream, 502, error instanceof Error ? error.message : String(error)),
    );
}

/** The asking end's half: a stream to `peer` that the relay carries. Rejects with a `DialError`. */
export async function throughRelay(
  relay: Promise<ClientSession>,
  peer: NodeId,
  signal: AbortSignal,
): Promise<Duplex> {
  return carrierOf(await opened(await relay, { ":path": relayPath, [toHeader]: peer }, signal));
}

/** A POST whose bodies both stay open, once the other end has agreed; its words as a `DialError` if not. */
function opened(
  session: ClientSession,
  headers: IncomingHttpHeaders,
  signal: AbortSignal,
): Promise<ClientHttp2Stream> {
  return new Promise((resolve, reject) => {
    let stream: ClientHttp2Stream;
    try {
      stream = session.request({ ...headers, ":method": "POST" }, false);
    } catch (error) {
      return reject(new DialError("unreachable", `the connection is closing: ${String(error)}`));
    }
    let settled = false;
    const fail = (why: string): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener("abort", timedOut);
      stream.close(constants.NGHTTP2_CANCEL);
      reject(new DialError("unreachable", why));
    };
    const timedOut = (): void => fail("no answer in time");
    if (signal.aborted) return timedOut();
    signal.addEventListener("abort", timedOut, { once: true });
    stream.on("error", () => undefined);
    stream.once("close", () => fail("it broke off before it answered"));
    stream.once("response", (answer) => {
      if (answer[":status"] === 200) {
        settled = true;
        signal.removeEventListener("abort", timedOut);
        return resolve(stream);
      }
      let words = "";
      stream.on("data", (chunk: Buffer) => {
        words = (words + chunk.toString()).slice(0, refusalBytesMax);
      });
      stream.once("end", () => fail(words.trim() || `it refused with status ${String(answer[":status"])}`));
    });
  });
}

/** A refusal in words, for what is no request of the API. */
export function refuseStream(
  stream: ServerHttp2Stream,
  status: number,
  message: string,
  headers: IncomingHttpHeaders = {},
): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond({ ":status": status, "content-type": "text/plain", ...headers });
  stream.end(`${message}\n`);
}
