import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import type { NodeId } from "../../core/records/record.ts";
import { dialPeer, type DialOptions } from "./dial.ts";
import { closeWhenIdle } from "./idle-session.ts";

/** The HTTP/2 sessions that this node dialled: each carries a link, forwarded requests, or both. */
export type ClientSessions = {
  /** A new session, for a link. */
  readonly open: (peer: NodeId, addresses: readonly string[], signal: AbortSignal) => Promise<ClientSession>;
  /** Any live session to the peer, or else a new one; callers at the same time share it. */
  readonly reuse: (peer: NodeId, addresses: readonly string[], signal: AbortSignal) => Promise<ClientSession>;
  /** Lets what is under way finish for `graceMs`, then cuts. */
  readonly stop: (graceMs: number) => void;
};

export type ClientSession = {
  readonly request: (headers: OutgoingHttpHeaders, endStream: boolean) => ClientHttp2Stream;
  readonly isLive: () => boolean;
  /** No new requests; the session ends with its last stream. */
  readonly retire: () => void;
  readonly destroy: () => void;
};

/** Shorter than the server's, so that a request seldom meets a session that is just being closed. */
const idleMs = 45_000;

export function createClientSessions(options: Omit<DialOptions, "signal">): ClientSessions {
  const sessions = new Set<ClientSession>();
  const sessionByPeer = new Map<NodeId, ClientSession>();
  const openingByPeer = new Map<NodeId, Promise<ClientSession>>();

  const open: ClientSessions["open"] = async (peer, addresses, signal) => {
    const session = await dialPeer(peer, addresses, { ...options, signal });
    const forget = (): void => {
      if (sessionByPeer.get(peer) === made) sessionByPeer.delete(peer);
    };
    const made = wrap(session, forget);
    sessions.add(made);
    sessionByPeer.set(peer, made);
    session.on("goaway", forget);
    session.on("close", () => {
      sessions.delete(made);
      forget();
    });
    return made;
  };

  return {
    open,
    reuse: async (peer, addresses, signal) => {
      const held = sessionByPeer.get(peer);
      if (held?.isLive() === true) return held;
      const opening = openingByPeer.get(peer) ?? open(peer, addresses, signal);
      openingByPeer.set(peer, opening);
      try {
        return await opening;
      } finally {
        if (openingByPeer.get(peer) === opening) openingByPeer.delete(peer);
      }
    },
    stop: (graceMs) => {
      for (const session of sessions) session.retire();
      setTimeout(() => {
        for (const session of sessions) session.destroy();
      }, graceMs);
    },
  };
}

function wrap(session: ClientHttp2Session, forget: () => void): ClientSession {
  const count = closeWhenIdle(session, idleMs);
  return {
    request: (headers, endStream) => {
      const stream = session.request(headers, { endStream });
      count(stream);
      return stream;
    },
    isLive: () => !session.closed && !session.destroyed,
    retire: () => {
      forget();
      if (!session.closed) session.close();
    },
    destroy: () => session.destroy(),
  };
}
