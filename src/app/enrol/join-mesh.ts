import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { request as httpsRequest } from "node:https";
import { connect as connectTls } from "node:tls";
import { fromHex, hex } from "../../core/kernel/bytes.ts";
import { signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { newRecordKey, newTlsKey } from "../../shells/identity-file/keys.ts";
import { refuseExisting, saveIdentity } from "../../shells/identity-file/save-identity.ts";
import { parseAddress } from "../../shells/identity-file/address.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";
import { proofText, type JoinAnswer, type JoinRefusal, type JoinRequest } from "./admit.ts";
import { caHash, decodeInvite, type Invite } from "./invites.ts";

export type JoinOptions = {
  readonly data: string;
  readonly invite: string;
  readonly name: string;
  /** `host:port` that others will reach this node at. */
  readonly addresses: readonly string[];
  readonly now: () => number;
  readonly progress: (line: string) => void;
};

const timeoutMs = 10_000;

/** Makes this machine a member. On any failure the data folder is left as it was. */
export async function joinMesh(
  options: JoinOptions,
): Promise<{ readonly id: string; readonly site: string; readonly mesh: string }> {
  const invite = decodeInvite(options.invite, options.now());
  refuseExisting(options.data);
  const nodeKeyPem = newRecordKey().privatePem;
  const tls = newTlsKey();
  const signer = signerFromPem(nodeKeyPem);
  const unsigned = {
    secret: invite.secret,
    name: options.name,
    signKey: hex(signer.publicKey),
    tlsSpki: Buffer.from(tls.publicSpki).toString("base64"),
    addresses: [...options.addresses],
    clock: options.now(),
  };
  const proof = Buffer.from(signer.sign(Buffer.from(proofText(unsigned)))).toString("base64");
  const answer = await askAnywhere(invite, { ...unsigned, proof }, options.progress);
  const rootKey = fromHex(answer.mesh.rootKey) ?? new Uint8Array(0);
  saveIdentity(options.data, {
    node: { ...answer.node, name: options.name, mesh: { ...answer.mesh, rootKey } },
    nodeKeyPem,
    tlsKeyPem: tls.privatePem,
    certificatePem: answer.certificatePem,
    caPem: answer.caPem,
    frames: answer.frames.map((frame) => new Uint8Array(Buffer.from(frame, "base64"))),
    createdAt: answer.clock,
  });
  return { id: answer.node.id, site: answer.node.site, mesh: answer.mesh.name };
}

/** The first address that answers as the invite's mesh; else the most telling failure. */
async function askAnywhere(
  invite: Invite,
  request: JoinRequest,
  progress: (line: string) => void,
): Promise<JoinAnswer> {
  const failures: CommandError[] = [];
  for (const address of invite.addresses) {
    try {
      progress(`asking ${address}`);
      return await ask(address, invite, request);
    } catch (error) {
      const failure =
        error instanceof CommandError
          ? error
          : new CommandError("unreachable", `${address}: ${String(error)}`);
      if (failure.exit !== "unreachable" && failure.exit !== "wrongMesh") throw failure;
      failures.push(failure);
      progress(failure.message);
    }
  }
  const worst = failures.find(({ exit }) => exit === "wrongMesh") ?? failures[0];
  throw worst ?? new CommandError("unreachable", "the invite names no address");
}

async function ask(address: string, invite: Invite, request: JoinRequest): Promise<JoinAnswer> {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new CommandError("inviteInvalid", `${address} is not host:port`);
  const { host, port } = parsed;
  await lookup(host).catch(() => {
    throw new CommandError("unreachable", `resolve: no address is known for ${host}`);
  });
  const caPem = await pinnedCa(host, port, address, invite);
  const { status, body } = await post(host, port, caPem, JSON.stringify(request), address);
  const json = parse(body);
  if (status === 200) return json as JoinAnswer;
  const refusal = json as Partial<JoinRefusal> | undefined;
  const exit: ExitName = refusal?.exit ?? "refused";
  throw new CommandError(exit, refusal?.message ?? `${address} answered ${status}`);
}

/** The CA at the other end, if it is the one the invite names. Nothing is sent before that is known. */
function pinnedCa(host: string, port: number, address: string, invite: Invite): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port,
      servername: "starlight",
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      timeout: timeoutMs,
      ALPNProtocols: ["http/1.1"],
    });
    socket.on("timeout", () => socket.destroy(new Error("no answer")));
    socket.on("error", (error) =>
      reject(new CommandError("unreachable", `connect: ${address}: ${error.message}`)),
    );
    socket.on("secureConnect", () => {
      let certificate = socket.getPeerCertificate(true);
      while (certificate.issuerCertificate !== undefined && certificate.issuerCertificate !== certificate) {
        certificate = certificate.issuerCertificate;
      }
      const pem = new X509Certificate(certificate.raw).toString();
      socket.destroy();
      if (caHash(pem) === invite.ca) return resolve(pem);
      reject(
        new CommandError(
          "wrongMesh",
          `this invite is for mesh ${invite.meshName}; ${address} belongs to another mesh`,
        ),
      );
    });
  });
}

function post(
  host: string,
  port: number,
  ca: string,
  body: string,
  address: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host,
        port,
        ca,
        servername: "starlight",
        method: "POST",
        path: "/starlight/v1/join",
        minVersion: "TLSv1.3",
        timeout: timeoutMs,
        agent: false,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", (error) =>
      reject(new CommandError("unreachable", `join: ${address}: ${error.message}`)),
    );
    request.end(body);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
