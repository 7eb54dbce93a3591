import type { X509Certificate } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { err, ok, type Result } from "../../core/kernel/result.ts";
import type { HopReport } from "../../ports/hops.ts";
import { spiffeIdOf } from "../../shells/identity-file/certificates.ts";
import { fingerprintOf } from "../../shells/identity-file/keys.ts";
import { networkHops, networkPath, type NetworkPath } from "../hops/network-hops.ts";
import { openTls } from "../hops/open-tls.ts";
import { failed, failureIn, passed, runHops, type Hop, type HopResult } from "../hops/run-hops.ts";
import type { Invite } from "./invite.ts";

/** Where on the way to the enroller it failed. Nothing was sent that must stay secret. */
export type HopFailure = Pick<HopReport, "hop" | "detail" | "fix"> & { readonly address: string };

export type Answer = { readonly status: number; readonly body: Uint8Array };

/** A connection that is proven to end at the enroller: see `pinnedHops`. */
export type PinnedPath = NetworkPath & { readonly invite: Invite; tls: TLSSocket | undefined };

/** A handshake over a satellite, with a machine that is busy. */
const tlsTimeoutMs = 10_000;
const answerTimeoutMs = 30_000;
/** The certificate is checked by the hop behind, against the invite instead of a list of known CAs. */
const pinnedTls: ConnectionOptions = {
  servername: "starlight",
  rejectUnauthorized: false,
  minVersion: "TLSv1.3",
  ALPNProtocols: ["http/1.1"],
};

export const pinnedPath = (address: string, invite: Invite): PinnedPath => ({
  ...networkPath(address),
  invite,
  tls: undefined,
});

/**
 * On the way to the enroller of an invite: the certificate's CA must be the one that the invite names, and
 * the certificate the enroller's own.
 */
export const pinnedHops: readonly Hop<PinnedPath>[] = [
  ...networkHops,
  { name: "tls", run: shakeHands },
  { name: "fingerprint", run: compareIdentity },
];

export function closePath({ tls, socket }: PinnedPath): void {
  tls?.destroy();
  socket?.destroy();
}

/** Posts to the enroller, once the connection is proven to end there. */
export async function postPinned(
  address: string,
  invite: Invite,
  path: string,
  body: Uint8Array,
  bytesMax: number,
): Promise<Result<Answer, HopFailure>> {
  const way = pinnedPath(address, invite);
  try {
    const failure = failureIn(await runHops(pinnedHops, way));
    if (failure !== undefined || way.tls === undefined)
      return err({ address, hop: "tls", detail: "", fix: "", ...failure });
    return ok(await exchange(way.tls, "POST", path, body, bytesMax));
  } catch (error) {
    const detail = `the connection broke before the answer: ${messageOf(error)}`;
    return err({ hop: "answer", address, detail, fix: "Run the same command again; it is safe." });
  } finally {
    closePath(way);
  }
}

/** One request over a connection that is open; rejects when there is no whole answer. */
export function exchange(
  socket: TLSSocket,
  method: "GET" | "POST",
  path: string,
  body: Uint8Array,
  bytesMax: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      method,
      path,
      headers: {
        host: "starlight",
        connection: "keep-alive",
        ...(method === "GET" ? {} : { "content-type": "application/json", "content-length": body.length }),
      },
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
    request.end(method === "GET" ? undefined : body);
  });
}

async function shakeHands(way: PinnedPath): Promise<HopResult> {
  const { socket } = way;
  if (socket === undefined) return failed("there is no connection", "");
  try {
    way.tls = await openTls(socket, pinnedTls, tlsTimeoutMs);
    return passed(way.tls.getProtocol() ?? "");
  } catch (error) {
    return failed(
      `something answers there, but not with TLS 1.3 (${messageOf(error)})`,
      "Check the port: another program listens there, or a proxy or firewall breaks TLS open.",
    );
  }
}

/** Whether the other end is the invite's enroller. */
function compareIdentity({ tls, invite }: PinnedPath): HopResult {
  const leaf = tls?.getPeerX509Certificate();
  const ca = leaf?.issuerCertificate;
  const fix = "Check the address, or ask for a new invite.";
  if (leaf === undefined) return failed("it showed no certificate", fix);
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
    const detail = `this invite is for mesh ${invite.meshName} (${invite.meshId}); whoever answers there ${who}`;
    return failed(detail, fix);
  }
  if (names.includes(`URI:${spiffeIdOf(invite.meshId, invite.enroller)}`))
    return passed(`the enroller of mesh ${invite.meshName}, as the invite says`);
  return failed("a node of the right mesh answers there, but not the one that made the invite", fix);
}

const spki = (certificate: X509Certificate): Uint8Array =>
  certificate.publicKey.export({ type: "spki", format: "der" });

function messageOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
