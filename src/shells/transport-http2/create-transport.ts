import {
  createSecureServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2SecureServer,
  type Http2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { LinkId } from "../../core/membership/contract.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Client, HttpHandler, HttpRequest, HttpResponse } from "../../ports/http.ts";
import type { Identity } from "../../ports/identity.ts";
import type { Transport, TransportEvents } from "../../ports/transport.ts";
import { DialError, dialPeer } from "./dial.ts";
import { forwardRequest } from "./forward.ts";
import { createLinkStream, type LinkStream } from "./link-stream.ts";
import { clientOf } from "./peer-certificate.ts";

export type TransportOptions = {
  readonly identity: Identity;
  readonly listen: { readonly host: string; readonly port: number };
  /** Source address of outgoing connections; the kernel's choice when missing. */
  readonly dialFrom?: string | undefined;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  readonly events: TransportEvents;
  /** Everything that is not a link. */
  readonly handler: HttpHandler;
};

export type Http2Transport = Transport & {
  readonly port: number;
  /** Passes a request on to a member's API and its answer back. */
  readonly forward: (
    peer: NodeId,
    addresses: readonly string[],
    request: HttpRequest,
    response: HttpResponse,
  ) => void;
};

/** The port could not be opened. Nothing was started. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const linkPath = "/starlight/v1/link";
const protocol = "1";
const sessionIdleMs = 300_000;
const windowBytes = 1024 * 1024;

/** Opens the node's one port: links and the API, over HTTP/2 (or HTTP/1.1) and mutual TLS 1.3. */
export async function createTransport(options: TransportOptions): Promise<Http2Transport> {
  const { identity, admits, events, handler } = options;
  const links = new Map<LinkId, LinkStream>();
  const sessions = new Set<Http2Session>();
  const sessionByPeer = new Map<NodeId, ClientHttp2Session>();
  let lastLink = 0;

  const adopt = (stream: Parameters<typeof createLinkStream>[0], peer: NodeId, outbound: boolean): void => {
    const link = ++lastLink;
    const linkStream = createLinkStream(stream, {
      frame: (bytes) => events.frame(link, bytes),
      closed: (end) => {
        if (links.delete(link)) events.closed(link, end);
      },
    });
    links.set(link, linkStream);
    events.opened(link, peer, outbound);
  };

  const clientFor = (socket: unknown): Client => clientOf(socket as TLSSocket, identity.node.mesh.id, admits);

  const acceptLink = (request: HttpRequest, stream: ServerHttp2Stream, client: Client): void => {
    if (client.type !== "node") return refuse(stream, 403, "links are for members of this mesh");
    if (request.headers["starlight-protocol"] !== protocol) {
      return refuse(stream, 426, `this node speaks link protocol ${protocol}`);
    }
    stream.respond({ ":status": 200, "starlight-protocol": protocol });
    adopt(stream, client.id, false);
  };

  const server = createSecureServer({
    key: identity.tls.keyPem,
    cert: identity.tls.certificatePem,
    ca: identity.tls.caPem,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
    allowHTTP1: true,
    handshakeTimeout: 10_000,
    settings: { initialWindowSize: windowBytes, maxConcurrentStreams: 512 },
  });
  server.on("secureConnection", (socket) => {
    socket.setNoDelay(true);
    socket.on("error", ignore);
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", ignore);
    session.on("close", () => sessions.delete(session));
    session.setTimeout(sessionIdleMs, () => session.close());
  });
  server.on("sessionError", ignore);
  server.on("tlsClientError", ignore);
  server.on("request", (request, response) => {
    request.on("error", ignore);
    response.on("error", ignore);
    const client = clientFor(
      request.httpVersionMajor === 2 ? request.stream.session?.socket : request.socket,
    );
    const plain = request as unknown as HttpRequest;
    if (request.url === linkPath && request.httpVersionMajor === 2) acceptLink(plain, request.stream, client);
    else handler(plain, response as unknown as HttpResponse, client);
  });
  await listening(server, options.listen);

  const open = async (peer: NodeId, addresses: readonly string[]): Promise<ClientHttp2Session> => {
    const session = await dialPeer(peer, addresses, { identity, admits, localAddress: options.dialFrom });
    sessions.add(session);
    session.on("close", () => {
      sessions.delete(session);
      if (sessionByPeer.get(peer) === session) sessionByPeer.delete(peer);
    });
    sessionByPeer.set(peer, session);
    return session;
  };

  const dial = async (peer: NodeId, addresses: readonly string[]): Promise<void> => {
    try {
      const session = await open(peer, addresses);
      const stream = session.request(
        { ":method": "POST", ":path": linkPath, "starlight-protocol": protocol },
        { endStream: false },
      );
      const status = await statusOf(stream);
      if (status !== 200) {
        session.close();
        const detail = status === 426 ? "it speaks another link protocol" : "it does not admit us";
        throw new DialError("untrusted", `${detail} (status ${status})`);
      }
      adopt(stream, peer, true);
      stream.on("close", () => session.close());
    } catch (error) {
      const { why, message } =
        error instanceof DialError ? error : new DialError("unreachable", String(error));
      events.dialFailed(peer, why, message);
    }
  };

  return {
    port: (server.address() as AddressInfo).port,
    dial: (peer, addresses) => void dial(peer, addresses),
    send: (link, bytes) => links.get(link)?.send(bytes),
    close: (link) => links.get(link)?.close("ours"),
    forward: (peer, addresses, request, response) => {
      const session = sessionByPeer.get(peer);
      const ready =
        session === undefined || session.closed ? open(peer, addresses) : Promise.resolve(session);
      forwardRequest(ready, request, response);
    },
    stop: async () => {
      for (const link of links.values()) link.close("ours");
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function listening(server: Http2SecureServer, { host, port }: TransportOptions["listen"]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "EADDRINUSE"
          ? "another program listens there; stop it or choose another port with --listen"
          : error.code === "EACCES"
            ? "this user may not open it; choose a port above 1023 with --listen"
            : error.message;
      reject(new ListenError(error.code ?? "EIO", `cannot listen on ${host}:${port}: ${reason}`));
    });
    server.listen(port, host, () => {
      server.on("error", ignore);
      resolve();
    });
  });
}

function statusOf(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.once("response", (headers) => resolve(Number(headers[":status"])));
    stream.once("error", reject);
    stream.once("close", () => reject(new DialError("unreachable", "the peer closed before it answered")));
  });
}

function refuse(stream: ServerHttp2Stream, status: number, message: string): void {
  stream.respond({ ":status": status, "content-type": "text/plain", "starlight-protocol": protocol });
  stream.end(`${message}\n`);
}

/** Errors of a connection end in its `close`, which is handled; nothing else is to be done about them. */
function ignore(): void {}
