import type { Http2ServerRequest, Http2ServerResponse, Http2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { LinkId } from "../../core/membership/contract.ts";
import { rangeText, readRange, spoken, type ProtocolRange } from "../../core/records/protocol.ts";
import { isNodeId, type NodeId } from "../../core/records/record.ts";
import type { Answer, Client, HttpHandler, HttpRequest, HttpResponse } from "../../ports/http.ts";
import type { Identity } from "../../ports/identity.ts";
import type { Paths, Transport, TransportEvents } from "../../ports/transport.ts";
import type { Address } from "../identity-file/address.ts";
import { askMember } from "./ask.ts";
import { carrierOf } from "./carrier.ts";
import { createClientSessions, viaOf, type ClientSession } from "./client-sessions.ts";
import { DialError } from "./dial.ts";
import { forwardRequest } from "./forward.ts";
import { admitted, linkPath, protocolHeader, reverseHeader, viaHeader } from "./link-request.ts";
import { createLinkStream, type LinkStream } from "./link-stream.ts";
import { clientOf, keyOfSocket } from "./peer-certificate.ts";
import { createRelay, refuseStream, relayedPath, relayPath, relayStreamsMax, throughRelay } from "./relay.ts";
import { createReverseCalls, reversePath, serveReverse } from "./reverse.ts";
import { isOnRunningInterface } from "./own-interface.ts";
import { startServer, type Exchange } from "./server.ts";

export { ListenError } from "./server.ts";

export type TransportOptions = {
  readonly identity: Identity;
  readonly listen: Address;
  /** Source address of outgoing connections; the kernel's choice when missing. */
  readonly dialFrom?: string | undefined;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  /** Why the link policy keeps this member from us; asked on both ends, on every connection and request. */
  readonly forbids?: ((peer: NodeId) => string | undefined) | undefined;
  /** What one member may send and get through us as a relay; 0: we relay nothing. 8 MiB when missing. */
  readonly relayBytesPerSecond?: number | undefined;
  readonly events: TransportEvents;
  /** The protocols that this node speaks. */
  readonly speaks?: ProtocolRange | undefined;
  /** Everything that is not a link. */
  readonly handler: HttpHandler;
};

export type Http2Transport = Transport & {
  readonly port: number;
  /** Passes a request on to a member's API and its answer back; answers 502 or 504 itself. */
  readonly forward: (peer: NodeId, paths: Paths, request: HttpRequest, response: HttpResponse) => void;
  /** A short `GET` to a member's API; rejects when there is no answer. */
  readonly ask: (peer: NodeId, paths: Paths, path: string, signal: AbortSignal) => Promise<Answer>;
  /** Gives up at once what stands on addresses that this machine no longer has. */
  readonly hostsChanged: (present: ReadonlySet<string>) => void;
};

/** Until a host accepts a connection, where a link is wanted; for anything else, until the peer's answer. */
const dialTimeoutMs = 3_000;
/** TLS and the peer's answer take some turns of both agents, each of which may have much to do. */
const agreeTimeoutMs = 10_000;
/** How long `stop` lets frames that were sent before it still go out. */
const stopGraceMs = 250;
const relayBytesPerSecondDefault = 8 * 1024 * 1024;
/** Bytes of all streams of a member's session that may be under way to us: 4 MiB in 100 ms is 40 MiB/s. */
const memberWindowBytes = 4 * 1024 * 1024;

/**
 * Opens the node's one port: links and the API, over mutual TLS 1.3. Rejects with a `ListenError`.
 *
 * A link is a POST whose request and response bodies both stay open and carry frames.
 */
export async function createTransport(options: TransportOptions): Promise<Http2Transport> {
  const { identity, admits, events, handler } = options;
  const forbids = options.forbids ?? (() => undefined);
  const links = new Map<LinkId, OpenLink>();
  const ownAddresses = new Map<LinkId, string>();
  const attempts = new Set<AbortController>();
  let lastLink = 0;
  let stopped = false;
  let takenFromRelays = 0;

  const ours = rangeText(options.speaks ?? spoken);

  const reverse = createReverseCalls(
    (peer) => [...links.values()].filter((link) => link.callable && link.peer === peer).reverse(),
    (carried, peer, path) => sessions.keep(carried, peer, path),
  );
  const sessions = createClientSessions({
    identity,
    admits,
    forbids,
    localAddress: options.dialFrom,
    askReverse: reverse.ask,
    throughRelay,
  });
  const relay = createRelay({
    bytesPerSecond: options.relayBytesPerSecond ?? relayBytesPerSecondDefault,
    near: sessions.near,
  });

  const adopt = (stream: Http2Stream, peer: NodeId, origin: LinkOrigin): void => {
    const link = ++lastLink;
    const { outbound, via, called, speaks } = origin;
    const linkStream = createLinkStream(stream, {
      frame: (bytes) => events.frame(link, bytes),
      called: () => called?.(),
      closed: (end) => {
        links.delete(link);
        ownAddresses.delete(link);
        events.closed(link, end);
      },
    });
    const callable = !outbound && origin.callable;
    links.set(link, { ...linkStream, peer, via, callable, stream });
    const { localAddress } = stream.session?.socket ?? {};
    if (localAddress !== undefined) ownAddresses.set(link, localAddress);
    const tlsKey = keyOfSocket(stream.session?.socket as TLSSocket | undefined);
    events.opened(link, peer, outbound, { tlsKey, speaks, via });
  };

  const serve = (exchange: Exchange): void => {
    const socket = exchange.version === 2 ? exchange.request.stream.session?.socket : exchange.request.socket;
    const client = clientOf(socket as TLSSocket, identity.node.mesh.id, admits);
    if (exchange.version === 2) return answer(exchange.request, exchange.response, client);
    const forbidden = client.type === "node" ? forbids(client.id) : undefined;
    if (forbidden === undefined) return handler(exchange.request, exchange.response, client);
    exchange.response.writeHead(403, { "content-type": "text/plain" });
    exchange.response.end(`${forbidden}\n`);
  };

  const answer = (request: Http2ServerRequest, response: Http2ServerResponse, client: Client): void => {
    const { stream, method, headers, url } = request;
    const between = betweenNodes.get(url);
    const refuse = (status: number, message: string): void =>
      refuseStream(stream, status, message, between === undefined ? {} : { [protocolHeader]: ours });
    const forbidden = client.type === "node" ? forbids(client.id) : undefined;
    if (forbidden !== undefined) return refuse(403, forbidden);
    // The compatibility objects of node:http2 have the shape of node:http's, which their types do not say.
    if (between === undefined)
      return handler(request as unknown as HttpRequest, response as unknown as HttpResponse, client);
    if (stopped) return refuse(503, "this node is stopping");
    if (method !== "POST") return refuse(405, `${between} is opened with POST`);
    if (client.type !== "node") return refuse(403, `${between} is for members of this mesh`);
    const said = headers[viaHeader];
    const via = typeof said === "string" && isNodeId(said) ? said : undefined;
    if (url === relayPath) return relay.accept(stream, headers, client.id);
    if (url === relayedPath) return takeRelayed(request, refuse);
    if (url === reversePath) {
      if (!reverse.arrived(stream, client.id, via)) refuse(409, "nobody asked for it");
      return;
    }
    const speaks = readRange(String(headers[protocolHeader]));
    if (speaks === undefined) return refuse(400, `${protocolHeader} is not a range such as ${ours}`);
    stream.session?.setLocalWindowSize?.(memberWindowBytes);
    stream.respond({ ":status": 200, [protocolHeader]: ours });
    const callable = headers[reverseHeader] !== undefined;
    adopt(stream, client.id, { outbound: false, via, callable, speaks });
  };

  /** A member that cannot reach us itself comes by a relay: a connection like any other from here on. */
  const takeRelayed = (
    { stream }: Http2ServerRequest,
    refuse: (status: number, message: string) => void,
  ): void => {
    if (takenFromRelays >= relayStreamsMax.total) return refuse(429, "too many streams from relays");
    takenFromRelays++;
    stream.once("close", () => takenFromRelays--);
    stream.respond({ ":status": 200 });
    server.take(carrierOf(stream));
  };

  /** The peer, to which we opened a link, has something to ask. One session at a time serves it. */
  const answerCalls = (session: ClientSession, socket: TLSSocket | undefined): (() => void) => {
    let serving = false;
    return () => {
      if (serving || socket === undefined || !session.isLive()) return;
      serving = true;
      const headers = viaOf(session.path) === undefined ? {} : { [viaHeader]: viaOf(session.path) };
      const stream = session.request({ ...headers, ":method": "POST", ":path": reversePath }, false);
      stream.on("error", () => undefined);
      stream.once("close", () => (serving = false));
      stream.once("response", ({ ":status": status }) => {
        if (status !== 200) return stream.close();
        serveReverse(stream, (request, response) =>
          answer(request, response, clientOf(socket, identity.node.mesh.id, admits)),
        );
      });
    };
  };

  /** Runs `work` with a deadline; `stop` ends it too. */
  const attempt = async <T>(work: (signal: AbortSignal, reached: () => void) => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    let timer = setTimeout(abort, dialTimeoutMs);
    const reached = (): void => {
      if (!attempts.has(controller)) return;
      clearTimeout(timer);
      timer = setTimeout(abort, agreeTimeoutMs);
    };
    attempts.add(controller);
    if (stopped) controller.abort();
    try {
      return await work(controller.signal, reached);
    } finally {
      clearTimeout(timer);
      attempts.delete(controller);
    }
  };

  const openLink = async (
    peer: NodeId,
    paths: Paths,
    signal: AbortSignal,
    reached: () => void,
  ): Promise<void> => {
    const session = await sessions.open(peer, paths, signal, reached);
    try {
      const via = viaOf(session.path);
      const headers = via === undefined ? {} : { [viaHeader]: via };
      const stream = session.request(
        {
          ...headers,
          ":method": "POST",
          ":path": linkPath,
          [protocolHeader]: ours,
          [reverseHeader]: "1",
        },
        false,
      );
      const called = answerCalls(session, stream.session?.socket as TLSSocket | undefined);
      await admitted(stream, signal, (speaks) =>
        adopt(stream, peer, { outbound: true, via, callable: false, called, speaks }),
      );
      stream.once("close", session.retire);
    } catch (error) {
      session.destroy();
      throw error;
    }
  };

  const dial = async (peer: NodeId, paths: Paths): Promise<void> => {
    try {
      const forbidden = forbids(peer);
      if (forbidden !== undefined) throw new DialError("untrusted", forbidden);
      await attempt((signal, reached) => openLink(peer, paths, signal, reached));
    } catch (error) {
      if (stopped) return;
      if (error instanceof DialError) events.dialFailed(peer, error.why, error.message);
      else events.dialFailed(peer, "unreachable", String(error));
    }
  };

  const server = await startServer(identity, options.listen, serve);
  return {
    port: server.port,
    dial: (peer, addresses, relays = []) => void dial(peer, { addresses, relays }),
    send: (link, bytes) => links.get(link)?.send(bytes),
    sentBytes: (link) => links.get(link)?.sentBytes() ?? 0,
    ownEndUp: (link) => {
      const address = ownAddresses.get(link);
      return address === undefined ? undefined : isOnRunningInterface(address);
    },
    close: (link) => links.get(link)?.close(),
    forward: (peer, paths, request, response) => {
      forwardRequest(() => attempt((signal) => sessions.reuse(peer, paths, signal)), request, response);
    },
    ask: (peer, paths, path, signal) =>
      askMember(
        attempt((ended) => sessions.reuse(peer, paths, ended)),
        path,
        signal,
      ),
    hostsChanged: (present) => {
      const isGone = (address: string): boolean => !present.has(address.replace(/^::ffff:|%.*$/g, ""));
      for (const link of links.values()) {
        const address = link.via === undefined ? link.stream.session?.socket?.localAddress : undefined;
        if (address !== undefined && isGone(address)) link.giveUp();
      }
      sessions.vanished(isGone);
    },
    stop: async () => {
      stopped = true;
      for (const controller of attempts) controller.abort();
      for (const link of links.values()) link.close();
      sessions.stop(stopGraceMs);
      await server.stop(stopGraceMs);
    },
  };
}

type LinkOrigin = {
  readonly outbound: boolean;
  readonly via: NodeId | undefined;
  readonly speaks: ProtocolRange;
  /** The end that opened it answers calls. */
  readonly callable: boolean;
  readonly called?: () => void;
};

type OpenLink = LinkStream &
  Pick<LinkOrigin, "via" | "callable"> & { readonly peer: NodeId; readonly stream: Http2Stream };

/** What nodes ask each other below the API, by path. */
const betweenNodes: ReadonlyMap<string, string> = new Map([
  [linkPath, "a link"],
  [relayPath, "a relayed path"],
  [relayedPath, "a relayed path"],
  [reversePath, "a session in reverse"],
]);
