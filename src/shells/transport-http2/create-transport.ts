import type { ClientHttp2Stream, Http2ServerRequest, Http2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { LinkId } from "../../core/membership/contract.ts";
import { rangeText, readRange, spoken, type ProtocolRange } from "../../core/records/protocol.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Answer, Client, HttpHandler, HttpRequest, HttpResponse } from "../../ports/http.ts";
import type { Identity } from "../../ports/identity.ts";
import type { Transport, TransportEvents } from "../../ports/transport.ts";
import type { Address } from "../identity-file/address.ts";
import { askMember } from "./ask.ts";
import { createClientSessions, type ClientSession } from "./client-sessions.ts";
import { DialError } from "./dial.ts";
import { forwardRequest } from "./forward.ts";
import { createLinkStream, type LinkStream } from "./link-stream.ts";
import { clientOf, keyOfSocket } from "./peer-certificate.ts";
import { isOnRunningInterface } from "./own-interface.ts";
import { startServer, type Exchange } from "./server.ts";

export { ListenError } from "./server.ts";

export type TransportOptions = {
  readonly identity: Identity;
  readonly listen: Address;
  /** Source address of outgoing connections; the kernel's choice when missing. */
  readonly dialFrom?: string | undefined;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  readonly events: TransportEvents;
  /** The protocols that this node speaks. */
  readonly speaks?: ProtocolRange | undefined;
  /** Everything that is not a link. */
  readonly handler: HttpHandler;
};

export type Http2Transport = Transport & {
  readonly port: number;
  /** Passes a request on to a member's API and its answer back; answers 502 or 504 itself. */
  readonly forward: (
    peer: NodeId,
    addresses: readonly string[],
    request: HttpRequest,
    response: HttpResponse,
  ) => void;
  /** A short `GET` to a member's API; rejects when there is no answer. */
  readonly ask: (
    peer: NodeId,
    addresses: readonly string[],
    path: string,
    signal: AbortSignal,
  ) => Promise<Answer>;
};

export const linkPath = "/starlight/v1/link";
/** The range of protocols that each end speaks; the core says whether they have one in common. */
export const protocolHeader = "starlight-protocol";
/** For a dial as a whole: connecting, TLS and the peer's answer. */
const dialTimeoutMs = 3_000;
/** How long `stop` lets frames that were sent before it still go out. */
const stopGraceMs = 250;
/** Bytes of all streams of a member's session that may be under way to us: 4 MiB in 100 ms is 40 MiB/s. */
const memberWindowBytes = 4 * 1024 * 1024;

/**
 * Opens the node's one port: links and the API, over mutual TLS 1.3. Rejects with a `ListenError`.
 *
 * A link is a POST whose request and response bodies both stay open and carry frames.
 */
export async function createTransport(options: TransportOptions): Promise<Http2Transport> {
  const { identity, admits, events, handler } = options;
  const links = new Map<LinkId, LinkStream>();
  const ownAddresses = new Map<LinkId, string>();
  const attempts = new Set<AbortController>();
  const sessions = createClientSessions({ identity, admits, localAddress: options.dialFrom });
  let lastLink = 0;
  let stopped = false;

  const ours = rangeText(options.speaks ?? spoken);

  const adopt = (stream: Http2Stream, peer: NodeId, outbound: boolean, speaks: ProtocolRange): void => {
    const link = ++lastLink;
    const linkStream = createLinkStream(stream, {
      frame: (bytes) => events.frame(link, bytes),
      closed: (end) => {
        links.delete(link);
        ownAddresses.delete(link);
        events.closed(link, end);
      },
    });
    links.set(link, linkStream);
    const { localAddress } = stream.session?.socket ?? {};
    if (localAddress !== undefined) ownAddresses.set(link, localAddress);
    const tlsKey = keyOfSocket(stream.session?.socket as TLSSocket | undefined);
    events.opened(link, peer, outbound, tlsKey, speaks);
  };

  const serve = (exchange: Exchange): void => {
    const socket = exchange.version === 2 ? exchange.request.stream.session?.socket : exchange.request.socket;
    const client = clientOf(socket as TLSSocket, identity.node.mesh.id, admits);
    if (exchange.version === 1) return handler(exchange.request, exchange.response, client);
    const { request, response } = exchange;
    if (request.url === linkPath) return acceptLink(request, client);
    // The compatibility objects of node:http2 have the shape of node:http's, which their types do not say.
    handler(request as unknown as HttpRequest, response as unknown as HttpResponse, client);
  };

  const acceptLink = ({ stream, method, headers }: Http2ServerRequest, client: Client): void => {
    const refuse = (status: number, message: string): void => {
      stream.respond({ ":status": status, "content-type": "text/plain", [protocolHeader]: ours });
      stream.end(`${message}\n`);
    };
    if (stopped) return refuse(503, "this node is stopping");
    if (method !== "POST") return refuse(405, "a link is opened with POST");
    if (client.type !== "node") return refuse(403, "links are for members of this mesh");
    const speaks = readRange(String(headers[protocolHeader]));
    if (speaks === undefined) return refuse(400, `${protocolHeader} is not a range such as ${ours}`);
    stream.session?.setLocalWindowSize?.(memberWindowBytes);
    stream.respond({ ":status": 200, [protocolHeader]: ours });
    adopt(stream, client.id, false, speaks);
  };

  /** Runs `work` with a deadline; `stop` ends it too. */
  const attempt = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), dialTimeoutMs);
    attempts.add(controller);
    if (stopped) controller.abort();
    try {
      return await work(controller.signal);
    } finally {
      clearTimeout(timer);
      attempts.delete(controller);
    }
  };

  const openLink = async (peer: NodeId, addresses: readonly string[], signal: AbortSignal): Promise<void> => {
    const session = await sessions.open(peer, addresses, signal);
    try {
      const stream = session.request({ ":method": "POST", ":path": linkPath, [protocolHeader]: ours }, false);
      await admitted(stream, signal, (speaks) => adopt(stream, peer, true, speaks));
      stream.once("close", session.retire);
    } catch (error) {
      session.destroy();
      throw error;
    }
  };

  const dial = async (peer: NodeId, addresses: readonly string[]): Promise<void> => {
    try {
      await attempt((signal) => openLink(peer, addresses, signal));
    } catch (error) {
      if (stopped) return;
      if (error instanceof DialError) events.dialFailed(peer, error.why, error.message);
      else events.dialFailed(peer, "unreachable", String(error));
    }
  };

  const server = await startServer(identity, options.listen, serve);
  return {
    port: server.port,
    dial: (peer, addresses) => void dial(peer, addresses),
    send: (link, bytes) => links.get(link)?.send(bytes),
    sentBytes: (link) => links.get(link)?.sentBytes() ?? 0,
    ownEndUp: (link) => {
      const address = ownAddresses.get(link);
      return address === undefined ? undefined : isOnRunningInterface(address);
    },
    close: (link) => links.get(link)?.close(),
    forward: (peer, addresses, request, response) => {
      const session: Promise<ClientSession> = attempt((signal) => sessions.reuse(peer, addresses, signal));
      forwardRequest(session, request, response);
    },
    ask: (peer, addresses, path, signal) =>
      askMember(
        attempt((ended) => sessions.reuse(peer, addresses, ended)),
        path,
        signal,
      ),
    stop: async () => {
      stopped = true;
      for (const controller of attempts) controller.abort();
      for (const link of links.values()) link.close();
      sessions.stop(stopGraceMs);
      await server.stop(stopGraceMs);
    },
  };
}

/** Calls `open` the moment the peer has agreed to a link; rejects with a `DialError` otherwise. */
function admitted(
  stream: ClientHttp2Stream,
  signal: AbortSignal,
  open: (speaks: ProtocolRange) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: DialError): void => {
      signal.removeEventListener("abort", timedOut);
      reject(error);
    };
    const timedOut = (): void => fail(new DialError("unreachable", "no answer to the request for a link"));
    signal.addEventListener("abort", timedOut);
    stream.once("response", (headers) => {
      if (signal.aborted) return;
      const status = Number(headers[":status"]);
      if (status !== 200) return fail(refusalOf(status));
      const speaks = readRange(String(headers[protocolHeader]));
      if (speaks === undefined)
        return fail(new DialError("untrusted", "it does not say which protocols it speaks"));
      signal.removeEventListener("abort", timedOut);
      open(speaks);
      resolve();
    });
    stream.on("error", () => undefined);
    stream.once("close", () => fail(new DialError("unreachable", "the peer closed before it answered")));
  });
}

function refusalOf(status: number): DialError {
  if (status === 403) return new DialError("untrusted", "it does not admit us: our key is not on its roster");
  if (status === 503) return new DialError("unreachable", "it is stopping");
  return new DialError("untrusted", `it refused the link with status ${status}`);
}
