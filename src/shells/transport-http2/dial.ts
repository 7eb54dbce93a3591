import { X509Certificate } from "node:crypto";
import { connect, type ClientHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { DialFailure } from "../../core/membership/contract.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Identity } from "../../ports/identity.ts";
import { parseAddress, type Address } from "../identity-file/address.ts";
import { raceOrder } from "./address-order.ts";
import { memberTls } from "./member-tls.ts";
import { identityOf } from "./peer-certificate.ts";

/** Opening an authenticated HTTP/2 session to one member, whichever of its addresses answers. */

export type DialOptions = {
  readonly identity: Identity;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  /** Why the link policy keeps us from this peer; undefined when it does not. */
  readonly forbids: (peer: NodeId) => string | undefined;
  /** Source address of outgoing connections; the kernel's choice when missing. */
  readonly localAddress?: string | undefined;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
  /** A host has accepted the connection: what follows takes its agent's time and ours. */
  readonly reached?: (() => void) | undefined;
};

export class DialError extends Error {
  override readonly name = "DialError";
  readonly why: DialFailure;

  constructor(why: DialFailure, detail: string) {
    super(detail);
    this.why = why;
  }
}

/** Head start of each address over the next (RFC 8305, section 5). */
const staggerMs = 250;
/** Bytes of all streams of a session that the peer may have under way to us. */
const sessionWindowBytes = 4 * 1024 * 1024;

/** A session with a member, and the address that won the race. */
export type Dialled = Carried & { readonly address: string };

/** A session and the stream that carries it. */
export type Carried = { readonly session: ClientHttp2Session; readonly carrier: Duplex };

/**
 * Races the addresses as in Happy Eyeballs (RFC 8305): in the order of `raceOrder`, a quarter of a second
 * apart or as soon as the one before has failed; the first that proves to be `peer` wins and the others
 * are closed. Rejects with a `DialError`.
 *
 * @param lastWinner The address that won the last time: it starts first.
 */
export async function dialPeer(
  peer: NodeId,
  addresses: readonly string[],
  lastWinner: string | undefined,
  options: DialOptions,
): Promise<Dialled> {
  const { socket, address } = await raceAddresses(peer, raceOrder(addresses, lastWinner), options);
  return { session: sessionOver(socket), carrier: socket, address };
}

/** The same over a stream that somebody carries to the peer: TLS runs inside, from us to the peer. */
export async function dialThrough(
  peer: NodeId,
  stream: Duplex,
  name: string,
  options: DialOptions,
): Promise<Carried> {
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const giveUp = (): void => reject(new DialError("unreachable", `${name}: no answer`));
    options.signal.addEventListener("abort", giveUp, { once: true });
    openSocket(peer, name, { socket: stream }, options, resolve, reject);
  });
  return { session: sessionOver(socket), carrier: socket };
}

function sessionOver(socket: TLSSocket): ClientHttp2Session {
  const session = connect("https://starlight", {
    createConnection: () => socket,
    maxSessionMemory: 32,
    settings: { enablePush: false, initialWindowSize: 256 * 1024 },
  });
  // Errors of a session end in its `close`.
  session.on("error", () => undefined);
  session.once("connect", () => session.setLocalWindowSize(sessionWindowBytes));
  return session;
}

type Won = { readonly socket: TLSSocket; readonly address: string };

function raceAddresses(peer: NodeId, addresses: readonly string[], options: DialOptions): Promise<Won> {
  return new Promise((resolve, reject) => {
    const sockets = new Set<TLSSocket>();
    const failures: DialError[] = [];
    let next = 0;
    let timer: NodeJS.Timeout | undefined;
    let settled = false;

    const settle = (winner: Won | undefined): boolean => {
      if (settled) return false;
      settled = true;
      clearTimeout(timer);
      options.signal.removeEventListener("abort", giveUp);
      for (const socket of sockets) if (socket !== winner?.socket) socket.destroy();
      if (winner !== undefined) resolve(winner);
      return true;
    };
    const fail = (): void => {
      if (settle(undefined)) reject(mostTelling(failures));
    };
    const giveUp = (): void => {
      failures.push(new DialError("unreachable", `no answer from ${addresses.slice(0, next).join(", ")}`));
      fail();
    };
    const failed = (error: DialError): void => {
      failures.push(error);
      if (failures.length === addresses.length) fail();
      else tryNext();
    };
    const tryNext = (): void => {
      clearTimeout(timer);
      const text = addresses[next];
      if (settled || text === undefined) return;
      next++;
      timer = setTimeout(tryNext, staggerMs);
      const address = parseAddress(text);
      if (address === undefined) {
        failed(new DialError("unreachable", `${JSON.stringify(text)} is no address`));
        return;
      }
      const won = (socket: TLSSocket): boolean => settle({ socket, address: text });
      sockets.add(openSocket(peer, text, address, options, won, failed));
    };

    if (addresses.length === 0) failures.push(new DialError("unreachable", "no address of it is known"));
    if (addresses.length === 0 || options.signal.aborted) return fail();
    options.signal.addEventListener("abort", giveUp);
    tryNext();
  });
}

function openSocket(
  peer: NodeId,
  text: string,
  to: Address | { readonly socket: Duplex },
  options: DialOptions,
  won: (socket: TLSSocket) => void,
  failed: (error: DialError) => void,
): TLSSocket {
  const { identity, localAddress } = options;
  let over = false;
  const fail = (error: Error): void => {
    if (over) return;
    over = true;
    failed(error instanceof DialError ? error : new DialError(whyOf(error), `${text}: ${error.message}`));
  };
  const socket = connectTls({
    ...to,
    ...(localAddress === undefined || "socket" in to ? {} : { localAddress }),
    ...memberTls(identity, (_host, { raw }) => refusalOf(new X509Certificate(raw), peer, text, options)),
  });
  if (!("socket" in to)) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 15_000);
  }
  if (!("socket" in to)) socket.once("connect", () => options.reached?.());
  socket.on("error", fail);
  socket.on("close", () => fail(new DialError("unreachable", `${text}: closed during the handshake`)));
  socket.once("secureConnect", () => {
    if (over) return;
    if (socket.alpnProtocol !== "h2") {
      fail(new DialError("untrusted", `${text}: a member's certificate without HTTP/2`));
      return;
    }
    over = true;
    won(socket);
  });
  return socket;
}

/** Why the holder of this certificate is not the member that we wanted; undefined when it is. */
function refusalOf(
  certificate: X509Certificate,
  peer: NodeId,
  text: string,
  { identity, admits, forbids }: DialOptions,
): DialError | undefined {
  const refuse = (detail: string): DialError => new DialError("untrusted", `${text}: ${detail}`);
  const found = identityOf(certificate);
  if (found?.type !== "node") return refuse("somebody answers there who is no node");
  const who = `node ${JSON.stringify(found.name)} (${found.id})`;
  if (found.mesh !== identity.node.mesh.id)
    return refuse(`${who} of another mesh, ${found.mesh}, answers there`);
  if (found.id !== peer) return refuse(`${who} answers there instead of ${peer}`);
  if (!admits(peer, found.tlsKey)) return refuse(`${who} answers with a key that the roster does not name`);
  const forbidden = forbids(peer);
  if (forbidden !== undefined) return refuse(forbidden);
  return undefined;
}

function whyOf(error: Error): DialFailure {
  const code = "code" in error ? String(error.code) : "";
  if (code === "ECONNREFUSED") return "refused";
  if (offline.has(code)) return "offline";
  return notTheMember.test(code) ? "untrusted" : "unreachable";
}

/** What our own kernel says before anything is sent. EHOSTUNREACH is not among them: a router says it too. */
const offline = new Set(["ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL"]);

/** OpenSSL's verification results and TLS alerts: somebody answered, but not with our mesh's TLS. */
const notTheMember = /^ERR_(SSL|TLS)_|^EPROTO$|CERT|ISSUER|_CA$|PURPOSE|PATH_LENGTH/;

/** A refusal proves more than silence, and a wrong identity more than a refusal. */
function mostTelling(failures: readonly DialError[]): DialError {
  const order: readonly DialFailure[] = ["untrusted", "refused", "unreachable", "offline"];
  for (const why of order) {
    const found = failures.find((failure) => failure.why === why);
    if (found !== undefined) return found;
  }
  return new DialError("unreachable", "the attempt was ended");
}
