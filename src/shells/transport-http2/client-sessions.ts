import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { NodeId } from "../../core/records/record.ts";
import type { Paths } from "../../ports/transport.ts";
import { DialError, dialPeer, dialThrough, type Carried, type DialOptions } from "./dial.ts";
import { closeWhenIdle } from "./idle-session.ts";

/**
 * The HTTP/2 sessions on which this node is the client, however they came about: dialled, through another
 * member, or in reverse over a link that the peer opened. Each carries links, requests, or both.
 */
export type ClientSessions = {
  /** A new session, for a link: by an address, or else through a relay. */
  readonly open: (
    peer: NodeId,
    paths: Paths,
    signal: AbortSignal,
    reached?: DialOptions["reached"],
  ) => Promise<ClientSession>;
  /** The best live session to the peer, or else a new one; callers at the same time share it. */
  readonly reuse: (peer: NodeId, paths: Paths, signal: AbortSignal) => Promise<ClientSession>;
  /** A session that needs no other member and no dial; rejects with a `DialError` when there is none. */
  readonly near: (peer: NodeId, signal: AbortSignal) => Promise<ClientSession>;
  /** Keeps a session that was made elsewhere. */
  readonly keep: (carried: Carried, peer: NodeId, path: SessionPath) => ClientSession;
  /** Cuts the sessions that stand on an address of ours which is gone. */
  readonly vanished: (isGone: (address: string) => boolean) => void;
  /** Lets what is under way finish for `graceMs`, then cuts. */
  readonly stop: (graceMs: number) => void;
};

/** How a session gets to the peer, best first. */
export type SessionPath =
  | { readonly type: "dialled" }
  /** Inside a stream of a connection that the peer opened; `via` when that goes through a relay itself. */
  | { readonly type: "reverse"; readonly via: NodeId | undefined }
  | { readonly type: "relayed"; readonly via: NodeId };

export type ClientSession = {
  readonly peer: NodeId;
  readonly path: SessionPath;
  readonly request: (headers: OutgoingHttpHeaders, endStream: boolean) => ClientHttp2Stream;
  readonly isLive: () => boolean;
  /** Whether the other end still answers; a session that does not is cut. Costs nothing when it just did. */
  readonly answers: () => Promise<boolean>;
  /** No new requests; the session ends with its last stream. */
  readonly retire: () => void;
  readonly destroy: () => void;
};

/** The relay that a session goes through, on whichever side it began. */
export const viaOf = (path: SessionPath): NodeId | undefined =>
  path.type === "dialled" ? undefined : path.via;

export type ClientSessionsOptions = Omit<DialOptions, "signal" | "reached"> & {
  /** Asks the peer for a session in reverse; undefined when no link of its own can carry one. */
  readonly askReverse: (
    peer: NodeId,
    direct: boolean,
    signal: AbortSignal,
  ) => Promise<ClientSession> | undefined;
  /** A stream to the peer that `relay` carries over its own session. */
  readonly throughRelay: (
    relay: Promise<ClientSession>,
    peer: NodeId,
    signal: AbortSignal,
  ) => Promise<Duplex>;
};

/** Shorter than the server's, so that a request seldom meets a session that is just being closed. */
const idleMs = 45_000;
/** A session that was heard of so lately is used without a question. */
const freshMs = 2_000;
/** An answer to a ping that takes longer than this does not come: the way is gone, and no kernel said so. */
const pingMaxMs = 1_000;
/** How long addresses may stay silent before a relay is tried beside them. */
const relayHeadStartMs = 600;

export function createClientSessions(options: ClientSessionsOptions): ClientSessions {
  const sessions = new Map<ClientSession, Duplex>();
  const openingByPeer = new Map<NodeId, Promise<ClientSession>>();
  const winnerByPeer = new Map<NodeId, string>();

  const keep: ClientSessions["keep"] = ({ session, carrier }, peer, path) => {
    const made = wrap(session, carrier, peer, path);
    sessions.set(made, carrier);
    session.on("close", () => sessions.delete(made));
    return made;
  };
  const best = (peer: NodeId, fits: (path: SessionPath) => boolean): ClientSession | undefined => {
    let found: ClientSession | undefined;
    for (const session of sessions.keys()) {
      if (session.peer !== peer || !session.isLive() || !fits(session.path)) continue;
      if (found === undefined || rank(session.path) <= rank(found.path)) found = session;
    }
    return found;
  };

  const direct = async (
    peer: NodeId,
    addresses: readonly string[],
    signal: AbortSignal,
    reached: DialOptions["reached"],
  ) => {
    const dialled = await dialPeer(peer, addresses, winnerByPeer.get(peer), { ...options, signal, reached });
    winnerByPeer.set(peer, dialled.address);
    return keep(dialled, peer, { type: "dialled" });
  };
  const near: ClientSessions["near"] = async (peer, signal) => {
    const needsNobody = (path: SessionPath): boolean => viaOf(path) === undefined;
    for (let held = best(peer, needsNobody); held !== undefined; held = best(peer, needsNobody))
      if (await held.answers()) return held;
    const session = await options.askReverse(peer, true, signal);
    if (session === undefined) throw new DialError("unreachable", "no link with it");
    return session;
  };
  const relayed = async (peer: NodeId, { relays }: Paths, signal: AbortSignal): Promise<ClientSession> => {
    const failures: string[] = [];
    for (const via of relays) {
      const name = `through ${via}`;
      try {
        const stream = await options.throughRelay(near(via, signal), peer, signal);
        const carried = await dialThrough(peer, stream, name, { ...options, signal });
        return keep(carried, peer, { type: "relayed", via });
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof DialError && error.why === "untrusted") throw error;
        failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    throw new DialError("unreachable", failures.length === 0 ? "no relay in time" : failures.join("; "));
  };

  /** The addresses first; a relay beside them as soon as they failed or stayed silent for a while. */
  const open: ClientSessions["open"] = async (peer, paths, signal, reached) => {
    const first = direct(peer, paths.addresses, signal, reached);
    if (paths.relays.length === 0) return first;
    const early = await Promise.race([first.catch(() => "failed" as const), after(relayHeadStartMs)]);
    if (typeof early === "object") return early;
    // What the addresses said proves more than that no relay helped.
    return Promise.any([first, relayed(peer, paths, signal)]).catch((error: unknown) => {
      const [one, other] = error instanceof AggregateError ? (error.errors as unknown[]) : [error, error];
      throw joined(one, other);
    });
  };

  const toward = async (peer: NodeId, paths: Paths, signal: AbortSignal): Promise<ClientSession> => {
    const reverse = await options.askReverse(peer, false, signal)?.catch(() => undefined);
    return reverse ?? open(peer, paths, signal);
  };

  return {
    open,
    near,
    keep,
    reuse: async (peer, paths, signal) => {
      for (let held = best(peer, () => true); held !== undefined; held = best(peer, () => true))
        if (await held.answers()) return held;
      const opening = openingByPeer.get(peer) ?? toward(peer, paths, signal);
      openingByPeer.set(peer, opening);
      try {
        return await opening;
      } finally {
        if (openingByPeer.get(peer) === opening) openingByPeer.delete(peer);
      }
    },
    vanished: (isGone) => {
      for (const [{ path, destroy }, carrier] of sessions) {
        const address =
          path.type === "dialled" && carrier instanceof Socket ? carrier.localAddress : undefined;
        if (address !== undefined && isGone(address)) destroy();
      }
    },
    stop: (graceMs) => {
      for (const session of sessions.keys()) session.retire();
      setTimeout(() => {
        for (const session of sessions.keys()) session.destroy();
      }, graceMs);
    },
  };
}

function rank(path: SessionPath): number {
  const order = { dialled: 0, reverse: 1, relayed: 2 };
  return order[path.type] + (viaOf(path) === undefined ? 0 : 2);
}

function joined(direct: unknown, relayed: unknown): unknown {
  if (!(direct instanceof DialError) || !(relayed instanceof DialError)) return direct;
  const why = relayed.why === "untrusted" ? relayed.why : direct.why;
  return new DialError(why, `${direct.message}; ${relayed.message}`);
}

const after = (ms: number): Promise<"late"> => new Promise((resolve) => setTimeout(resolve, ms, "late"));

function wrap(session: ClientHttp2Session, carrier: Duplex, peer: NodeId, path: SessionPath): ClientSession {
  // Sessions may run inside streams of this one. `session.destroy()` would still write into what they write
  // to, in native code and without end; without its carrier a session ends as when the cable is cut.
  const destroy = (): void => {
    retired = true;
    carrier.destroy();
  };
  const count = closeWhenIdle(session, idleMs);
  let retired = false;
  let answeredAt = performance.now();
  session.on("goaway", () => (retired = true));
  const ping = (): Promise<boolean> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => {
        destroy();
        resolve(false);
      }, pingMaxMs);
      const answered = (error: Error | null): void => {
        clearTimeout(timer);
        if (error === null) answeredAt = performance.now();
        else destroy();
        resolve(error === null);
      };
      if (session.destroyed || !session.ping(answered)) answered(new Error("too many pings"));
    });
  return {
    peer,
    path,
    request: (headers, endStream) => {
      const stream = session.request(headers, { endStream });
      count(stream);
      return stream;
    },
    answers: () => (performance.now() - answeredAt < freshMs ? Promise.resolve(true) : ping()),
    isLive: () => !retired && !session.closed && !session.destroyed,
    retire: () => {
      retired = true;
      if (!session.closed) session.close();
    },
    destroy,
  };
}
