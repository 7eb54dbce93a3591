import { createPrivateKey } from "node:crypto";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { createServer } from "node:net";
import type { NodeId } from "../../core/records/record.ts";
import { hex } from "../../core/kernel/bytes.ts";
import { nodeIdOf } from "../../core/records/record.ts";
import { createListener, type Listener } from "../../ports/transport-listener.ts";
import type { HttpHandler } from "../../ports/http.ts";
import type { Identity } from "../../ports/identity.ts";
import type { Paths } from "../../ports/transport.ts";
import { nodeCrypto, signerFromPem } from "../crypto-node/node-crypto.ts";
import {
  issueCa,
  issueNodeCertificate,
  issueUserCertificate,
  type Authority,
} from "../identity-file/certificates.ts";
import { fingerprintOf, newRecordKey, newTlsKey } from "../identity-file/keys.ts";
import { createTransport, type Http2Transport, type TransportOptions } from "./create-transport.ts";

/** Real meshes, certificates and transports on the loopback interface, for the tests of this folder. */

export type Mesh = { readonly id: NodeId; readonly authority: Authority };

export async function newMesh(id: NodeId = randomId()): Promise<Mesh> {
  const caKeyPem = newTlsKey().privatePem;
  return { id, authority: { caKeyPem, caPem: await issueCa({ id, name: "test" }, caKeyPem) } };
}

export type Member = { readonly identity: Identity; readonly id: NodeId; readonly tlsKey: string };

/** A member with a certificate of the mesh; `as` claims another node's id with this one's key. */
export async function newMember(mesh: Mesh, options: { readonly as?: NodeId } = {}): Promise<Member> {
  const signer = signerFromPem(newRecordKey().privatePem);
  const id = options.as ?? nodeIdOf(signer.publicKey, nodeCrypto);
  const tls = newTlsKey();
  const certificatePem = await issueNodeCertificate(mesh.authority, {
    mesh: mesh.id,
    node: id,
    name: `node-${id.slice(0, 4)}`,
    hosts: [],
    tlsSpki: tls.publicSpki,
  });
  return {
    id,
    tlsKey: fingerprintOf(tls.publicSpki),
    identity: {
      node: {
        id,
        name: `node-${id.slice(0, 4)}`,
        site: "site-a",
        region: "region-a",
        mesh: { id: mesh.id, name: "test", rootKey: new Uint8Array(32), detail: "mesh" },
      },
      signer,
      tls: { keyPem: tls.privatePem, certificatePem, caPem: mesh.authority.caPem },
    },
  };
}

/** What a client shows, and the CA it trusts. */
export type ClientTls = {
  readonly key?: string;
  readonly cert?: string;
  readonly ca: string;
  readonly maxVersion?: "TLSv1.2";
};

/** A member's own credentials. */
export const tlsOf = ({ identity: { tls } }: Member): ClientTls => ({
  key: tls.keyPem,
  cert: tls.certificatePem,
  ca: tls.caPem,
});

/** A plain HTTP/2 session; its errors end in its `close`. */
export function clientSession(address: string, tls: ClientTls): ClientHttp2Session {
  const session = connectHttp2(`https://${address}`, { ...tls, servername: "localhost" });
  session.on("error", () => undefined);
  return session;
}

/** A person's TLS credentials, as a kubeconfig holds them. */
export async function newUser(
  mesh: Mesh,
  name: string,
  groups: readonly string[],
  end = new Date("2040-01-01T00:00:00Z"),
): Promise<{ readonly key: string; readonly cert: string; readonly ca: string }> {
  const { privatePem, publicSpki } = newTlsKey();
  const cert = await issueUserCertificate(mesh.authority, { name, groups, spki: publicSpki, end });
  return { key: privatePem, cert, ca: mesh.authority.caPem };
}

export type RunningNode = Member &
  Listener & { readonly transport: Http2Transport; readonly address: string };

/** Who a roster of these members admits: the id together with the key. */
export const roster =
  (...members: readonly Pick<Member, "id" | "tlsKey">[]) =>
  (peer: NodeId, tlsKey: string): boolean =>
    members.some((member) => member.id === peer && member.tlsKey === tlsKey);

/** Starts a node that is stopped when the test ends, however it ends. */
export async function startNode(
  t: { readonly after: (done: () => Promise<void>) => void },
  member: Member,
  admits: (peer: NodeId, tlsKey: string) => boolean,
  handler: HttpHandler = (_request, response) => {
    response.writeHead(404);
    response.end();
  },
  host = "127.0.0.1",
  more: Partial<TransportOptions> = {},
): Promise<RunningNode> {
  const listener = createListener();
  const transport = await createTransport({
    identity: member.identity,
    listen: { host, port: 0 },
    admits,
    events: listener.events,
    handler,
    ...more,
  });
  t.after(transport.stop);
  const address = host.includes(":") ? `[${host}]:${transport.port}` : `${host}:${transport.port}`;
  return { ...member, ...listener, transport, address };
}

/** Ways to a member that need no relay. */
export const at = (...addresses: readonly string[]): Paths => ({ addresses, relays: [] });

/** An address of the loopback interface where nobody listens. */
export async function emptyAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" ? `127.0.0.1:${address?.port}` : "";
}

function randomId(): NodeId {
  const { x = "" } = createPrivateKey(newRecordKey().privatePem).export({ format: "jwk" });
  return hex(Buffer.from(x, "base64url").subarray(0, 10));
}
