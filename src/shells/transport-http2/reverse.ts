import {
  connect,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Stream,
  type ServerHttp2Stream,
} from "node:http2";
import type { NodeId } from "../../core/records/record.ts";
import { carrierOf } from "./carrier.ts";
import type { ClientSession, SessionPath } from "./client-sessions.ts";
import { DialError, type Carried } from "./dial.ts";
import { closeWhenIdle } from "./idle-session.ts";

/**
 * Requests against the direction in which a connection was opened. A node that nobody can dial holds links
 * that it opened itself; whoever wants to ask it something calls over such a link, and the node answers
 * with a stream of its own in which a second HTTP/2 session runs the other way round. TLS of the outer
 * connection has proved both ends, so the inner session needs none.
 */

export const reversePath = "/starlight/v1/reverse";
const idleMs = 60_000;

/** The end that was called: serves what comes over `stream`, which it opened itself. */
export function serveReverse(
  stream: Http2Stream,
  serve: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
): void {
  const carrier = carrierOf(stream);
  const server = createServer({
    maxSessionMemory: 32,
    settings: { initialWindowSize: 256 * 1024, maxConcurrentStreams: 256, maxHeaderListSize: 64 * 1024 },
  });
  server.on("session", (session) => {
    session.on("error", () => undefined);
    closeWhenIdle(session, idleMs);
    session.on("close", () => carrier.destroy());
  });
  server.on("sessionError", () => undefined);
  server.on("request", (request: Http2ServerRequest, response: Http2ServerResponse) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    serve(request, response);
  });
  server.emit("connection", carrier);
}

/** The end that calls: waits for the peer's stream and is the client inside it. */
export type ReverseCalls = {
  /** Calls over one of the peer's links; undefined when it has none that fits. */
  readonly ask: (peer: NodeId, direct: boolean, signal: AbortSignal) => Promise<ClientSession> | undefined;
  /** The peer opened the stream. @returns false when nobody asked for it. */
  readonly arrived: (stream: ServerHttp2Stream, peer: NodeId, via: NodeId | undefined) => boolean;
};

/** A link that the peer opened, and over which it can be called. */
export type Callable = { readonly via: NodeId | undefined; readonly call: () => void };

export function createReverseCalls(
  linksFrom: (peer: NodeId) => readonly Callable[],
  keep: (carried: Carried, peer: NodeId, path: SessionPath) => ClientSession,
): ReverseCalls {
  const waiting = new Map<NodeId, Set<(session: ClientSession) => void>>();

  return {
    ask: (peer, direct, signal) => {
      const links = linksFrom(peer);
      const link = links.find(({ via }) => via === undefined) ?? (direct ? undefined : links[0]);
      if (link === undefined) return undefined;
      return new Promise((resolve, reject) => {
        const waiters = waiting.get(peer) ?? new Set();
        waiting.set(peer, waiters);
        const forget = (): void => {
          signal.removeEventListener("abort", giveUp);
          waiters.delete(got);
          if (waiters.size === 0 && waiting.get(peer) === waiters) waiting.delete(peer);
        };
        const got = (session: ClientSession): void => {
          forget();
          resolve(session);
        };
        const giveUp = (): void => {
          forget();
          reject(new DialError("unreachable", "no answer to a call over its own link"));
        };
        if (signal.aborted) return giveUp();
        signal.addEventListener("abort", giveUp, { once: true });
        waiters.add(got);
        if (waiters.size === 1) link.call();
      });
    },
    arrived: (stream, peer, via) => {
      const waiters = [...(waiting.get(peer) ?? [])];
      if (waiters.length === 0) return false;
      stream.respond({ ":status": 200 });
      const carrier = carrierOf(stream);
      const session = connect("http://starlight", {
        createConnection: () => carrier,
        maxSessionMemory: 32,
        settings: { enablePush: false, initialWindowSize: 256 * 1024 },
      });
      session.on("error", () => undefined);
      session.on("close", () => carrier.destroy());
      const made = keep({ session, carrier }, peer, { type: "reverse", via });
      for (const got of waiters) got(made);
      return true;
    },
  };
}
