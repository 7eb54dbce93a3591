import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { DialFailure } from "../../core/membership/contract.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Identity } from "../../ports/identity.ts";
import { identityOf } from "./peer-certificate.ts";

/** Opening an authenticated HTTP/2 session to one member, whatever address it answers on. */

export type DialOptions = {
  readonly identity: Identity;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  /** Source address of outgoing connections; the kernel's choice when missing. */
  readonly localAddress?: string | undefined;
};

export class DialError extends Error {
  override readonly name = "DialError";
  readonly why: DialFailure;

  constructor(why: DialFailure, detail: string) {
    super(detail);
    this.why = why;
  }
}

const staggerMs = 250;
const dialTimeoutMs = 3_000;

/** Tries the addresses, a quarter of a second apart; the first that proves to be `peer` wins. */
export function dialPeer(
  peer: NodeId,
  addresses: readonly string[],
  options: DialOptions,
): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const attempts: ClientHttp2Session[] = [];
    const timers: NodeJS.Timeout[] = [];
    const failures: DialError[] = [];
    let settled = false;
    const settle = (winner: ClientHttp2Session | undefined, error: DialError | undefined): void => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      for (const attempt of attempts) if (attempt !== winner) attempt.destroy();
      if (winner !== undefined) resolve(winner);
      else reject(error ?? new DialError("unreachable", "no address is known"));
    };
    const failed = (error: DialError): void => {
      failures.push(error);
      if (failures.length === addresses.length) settle(undefined, worst(failures));
    };
    addresses.forEach((address, at) => {
      timers.push(
        setTimeout(
          () => attempts.push(attempt(peer, address, options, (winner) => settle(winner, undefined), failed)),
          at * staggerMs,
        ),
      );
    });
    timers.push(
      setTimeout(
        () =>
          settle(
            undefined,
            worst([...failures, new DialError("unreachable", `no answer from ${addresses.join(", ")}`)]),
          ),
        dialTimeoutMs,
      ),
    );
    if (addresses.length === 0) settle(undefined, undefined);
  });
}

function attempt(
  peer: NodeId,
  address: string,
  options: DialOptions,
  settle: (winner: ClientHttp2Session) => void,
  failed: (error: DialError) => void,
): ClientHttp2Session {
  const url = new URL(`https://${address}`);
  let over = false;
  const fail = (error: Error & { readonly code?: string }): void => {
    if (over) return;
    over = true;
    failed(error instanceof DialError ? error : new DialError(whyOf(error), `${address}: ${error.message}`));
  };
  const session = connectHttp2(url, {
    createConnection: () => openSocket(url, peer, address, options, fail),
  });
  session.on("error", fail);
  session.on("close", () => fail(new DialError("unreachable", `${address}: the connection closed`)));
  session.on("connect", () => {
    if (over) return;
    over = true;
    settle(session);
  });
  return session;
}

function openSocket(
  url: URL,
  peer: NodeId,
  address: string,
  { identity, admits, localAddress }: DialOptions,
  fail: (error: Error) => void,
): TLSSocket {
  const { tls, node } = identity;
  const socket = connectTls({
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || 443),
    ...(localAddress === undefined ? {} : { localAddress }),
    key: tls.keyPem,
    cert: tls.certificatePem,
    ca: tls.caPem,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    servername: "starlight",
    // The chain is verified by TLS; who it must be is verified here, by identity instead of host name.
    checkServerIdentity: () => undefined,
  });
  socket.setNoDelay(true);
  socket.on("error", fail);
  socket.on("secureConnect", () => {
    const certificate = socket.getPeerX509Certificate();
    const found = certificate === undefined ? undefined : identityOf(certificate);
    if (
      found?.type === "node" &&
      found.mesh === node.mesh.id &&
      found.id === peer &&
      admits(peer, found.tlsKey)
    )
      return;
    const who = found?.type === "node" ? `node ${found.name} (${found.id})` : "somebody who is no node";
    fail(new DialError("untrusted", `${address}: wanted ${peer}, answered ${who}`));
    socket.destroy();
  });
  return socket;
}

function whyOf(error: Error & { readonly code?: string }): DialFailure {
  const code = error.code ?? "";
  if (code === "ECONNREFUSED") return "refused";
  return /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL/.test(code) ? "untrusted" : "unreachable";
}

/** A refusal proves more than silence, and a wrong identity more than a refusal. */
function worst(failures: readonly DialError[]): DialError | undefined {
  const order: readonly DialFailure[] = ["untrusted", "refused", "unreachable"];
  return [...failures].sort((left, right) => order.indexOf(left.why) - order.indexOf(right.why))[0];
}
