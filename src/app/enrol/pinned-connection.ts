import type { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { request as httpRequest } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { err, ok, type Result } from "../../core/kernel/result.ts";
import { parseAddress } from "../../shells/identity-file/address.ts";
import { spiffeIdOf } from "../../shells/identity-file/certificates.ts";
import { fingerprintOf } from "../../shells/identity-file/keys.ts";
import type { Invite } from "./invite.ts";

/** Where on the way to the enroller it failed. Nothing was sent that must stay secret. */
export type HopFailure = {
  readonly hop: "resolve" | "connect" | "tls" | "mesh" | "answer";
  readonly address: string;
  readonly detail: string;
};

export type Answer = { readonly status: number; readonly body: Uint8Array };

const connectTimeoutMs = 5_000;
const answerTimeoutMs = 30_000;

/**
 * Posts to the enroller of an invite, over a connection that is proven to end there: the certificate's CA
 * is the one the invite names, and the certificate is the enroller's own. Only then is the body sent.
 */
export async function postPinned(
  address: string,
  invite: Invite,
  path: string,
  body: Uint8Array,
  bytesMax: number,
): Promise<Result<Answer, HopFailure>> {
  const fail = (hop: HopFailure["hop"], detail: string): Result<never, HopFailure> =>
    err({ hop, address, detail });
  const parsed = parseAddress(address);
  if (parsed === undefined) return fail("resolve", "not an address");
  const ip = await attempt(async () => (await lookup(parsed.host)).address);
  if (!ip.ok) return fail("resolve", `the name ${parsed.host} has no address here (${ip.error})`);
  const tcp = await attempt(() => openTcp(ip.value, parsed.port));
  if (!tcp.ok) return fail("connect", connectSentence(tcp.error));
  const tls = await attempt(() => openTls(tcp.value));
  if (!tls.ok) {
    tcp.value.destroy();
    return fail("tls", `something answers there, but not with TLS 1.3 (${tls.error})`);
  }
  const stranger = strangerAt(tls.value, invite);
  if (stranger !== undefined) {
    tls.value.destroy();
    return fail("mesh", stranger);
  }
  const answer = await attempt(() => post(tls.value, path, body, bytesMax));
  tls.value.destroy();
  return answer.ok
    ? ok(answer.value)
    : fail("answer", `the connection broke before the answer: ${answer.error}`);
}

/** Why the other end is not the invite's enroller; undefined when it is. */
function strangerAt(socket: TLSSocket, invite: Invite): string | undefined {
  const leaf = socket.getPeerX509Certificate();
  const ca = leaf?.issuerCertificate;
  if (leaf === undefined) return "it showed no certificate";
  const names = (leaf.subjectAltName ?? "").split(", ");
  const other = /URI:spiffe:\/\/([0-9a-f]{20})\/node\//.exec(leaf.subjectAltName ?? "")?.[1];
  const isOurs =
    ca !== undefined &&
    fingerprintOf(spki(ca)) === invite.ca &&
    leaf.checkIssued(ca) &&
    leaf.verify(ca.publicKey);
  if (!isOurs) {
    const who =
      other === undefined || other === invite.meshId
        ? "is not a node of that mesh"
        : `belongs to another mesh (${other})`;
    return `this invite is for mesh ${invite.meshName} (${invite.meshId}); whoever answers there ${who}`;
  }
  if (names.includes(`URI:${spiffeIdOf(invite.meshId, invite.enroller)}`)) return undefined;
  return "a node of the right mesh answers there, but not the one that made the invite";
}

const spki = (certificate: X509Certificate): Uint8Array =>
  certificate.publicKey.export({ type: "spki", format: "der" });

function openTcp(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port });
    socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error("ETIMEDOUT")));
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** The certificate is checked by `strangerAt`, against the invite instead of a list of known CAs. */
function openTls(socket: Socket): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({
      socket,
      servername: "starlight",
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      ALPNProtocols: ["http/1.1"],
    });
    socket.setTimeout(connectTimeoutMs, () => tls.destroy(new Error("ETIMEDOUT")));
    tls.once("error", reject);
    tls.once("close", () => reject(new Error("it closed the connection")));
    tls.once("secureConnect", () => {
      socket.setTimeout(0);
      resolve(tls);
    });
  });
}

function post(socket: TLSSocket, path: string, body: Uint8Array, bytesMax: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      method: "POST",
      path,
      headers: { host: "starlight", "content-type": "application/json", "content-length": body.length },
    });
    const timer = setTimeout(() => request.destroy(new Error("no answer in time")), answerTimeoutMs);
    request.on("close", () => clearTimeout(timer));
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bytesMax) request.destroy(new Error("the answer is too long"));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("aborted", () => reject(new Error("it was cut off")));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    request.end(body);
  });
}

function connectSentence(code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "the machine answers, but nothing listens on that port: is the agent running?";
    case "ETIMEDOUT":
      return "no answer: wrong address, a firewall, or no link";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "there is no route to it from here";
    default:
      return code;
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<Result<T, string>> {
  try {
    return ok(await work());
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return err(code ?? message);
  }
}
