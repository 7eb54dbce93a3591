import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { HttpRequest, HttpResponse } from "../../ports/http.ts";
import type { Identity } from "../../ports/identity.ts";
import { formatAddress, type Address } from "../identity-file/address.ts";
import { closeWhenIdle } from "./idle-session.ts";

/** The node's one TLS port, bounded against strangers: HTTP/2, and HTTP/1.1 for tools and upgrades. */
export type Server = {
  readonly port: number;
  /** Takes a stream that a relay carries here for a connection: TLS and all the rest come over it. */
  readonly take: (stream: Duplex) => void;
  /** Stops listening and cuts every connection that is still there after `graceMs`. */
  readonly stop: (graceMs: number) => Promise<void>;
};

export type Exchange =
  | { readonly version: 2; readonly request: Http2ServerRequest; readonly response: Http2ServerResponse }
  | { readonly version: 1; readonly request: HttpRequest; readonly response: HttpResponse };

/** The port could not be opened. Nothing was started. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const connectionsMax = 4096;
const handshakeTimeoutMs = 10_000;
/** A connection without any open request is closed after this. A link or a watch is an open request. */
const idleMs = 60_000;
/** HTTP/1.1: until all headers, and until the whole request, must have arrived. */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 300_000;
const headerBytesMax = 64 * 1024;

export async function startServer(
  { tls }: Identity,
  listen: Address,
  exchange: (exchange: Exchange) => void,
): Promise<Server> {
  const server = createSecureServer({
    key: tls.keyPem,
    cert: tls.certificatePem,
    ca: tls.caPem,
    requestCert: true,
    // Who has no certificate of the mesh is anonymous: bearer tokens and joining need that door.
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
    allowHTTP1: true,
    handshakeTimeout: handshakeTimeoutMs,
    maxHeaderListPairs: 128,
    maxSessionMemory: 32,
    settings: { initialWindowSize: 256 * 1024, maxConcurrentStreams: 256, maxHeaderListSize: headerBytesMax },
  });
  server.maxConnections = connectionsMax;
  Object.assign(server, {
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: idleMs,
  });

  const sockets = new Set<Duplex>();
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", ignore);
    if (!(socket instanceof Socket)) return;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 15_000);
  });
  server.on("secureConnection", (socket) => socket.on("error", ignore));
  server.on("session", (session) => {
    session.on("error", ignore);
    closeWhenIdle(session, idleMs);
  });
  server.on("sessionError", ignore);
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("clientError", (_error: Error, socket: Socket) => socket.destroy());
  server.on("request", (request: Http2ServerRequest, response: Http2ServerResponse) => {
    request.on("error", ignore);
    response.on("error", ignore);
    // With `allowHTTP1` the same event brings the objects of node:http, which the types do not say.
    const plain = {
      request: request as unknown as HttpRequest,
      response: response as unknown as HttpResponse,
    };
    exchange(request.httpVersionMajor === 2 ? { version: 2, request, response } : { version: 1, ...plain });
  });

  const port = await listening(server, listen);
  return {
    port,
    take: (stream) => void server.emit("connection", stream),
    stop: async (graceMs) => {
      const closed = new Promise((resolve) => server.close(resolve));
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

function listening(server: Http2SecureServer, listen: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? "EIO";
      const why = adviceByCode[code] ?? error.message;
      reject(new ListenError(code, `cannot listen on ${formatAddress(listen)}: ${why}`));
    });
    server.listen(listen.port, listen.host, () => {
      // Only a failing `accept` is left to report here; the next connection is accepted again.
      server.on("error", ignore);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : listen.port);
    });
  });
}

const adviceByCode: { readonly [code: string]: string } = {
  EADDRINUSE: "another program listens there; stop it or choose another port",
  EACCES: "this user may not open it; choose a port above 1023",
  EADDRNOTAVAIL: "this machine has no such address; choose one it has, or 0.0.0.0 for all",
  ENOTFOUND: "no such host; choose an address of this machine",
};

/** An error of a connection ends in its `close`, which is handled where it matters. */
function ignore(): void {}
