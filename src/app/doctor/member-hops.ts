import { X509Certificate } from "node:crypto";
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import type { TLSSocket } from "node:tls";
import { parseJson } from "../../core/kernel/json.ts";
import { fields, integer, oneOf, text } from "../../core/kernel/shape.ts";
import type { MemberView } from "../../core/node/contract.ts";
import { commonProtocol, rangeText, readRange, spoken } from "../../core/records/protocol.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Identity } from "../../ports/identity.ts";
import type { Paths } from "../../ports/transport.ts";
import { linkPath, protocolHeader } from "../../shells/transport-http2/link-request.ts";
import { memberTls } from "../../shells/transport-http2/member-tls.ts";
import { identityOf, tlsKeyOf } from "../../shells/transport-http2/peer-certificate.ts";
import { networkHops, networkPath, type NetworkPath } from "../hops/network-hops.ts";
import { openTls } from "../hops/open-tls.ts";
import { failed, passed, type Hop, type HopResult } from "../hops/run-hops.ts";

/** What a member's way is examined with. */
export type ExamineDeps = {
  readonly identity: Identity;
  readonly member: (node: NodeId) => MemberView | undefined;
  readonly members: () => readonly MemberView[];
  /** Both are asked by the transport on every connection. */
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  readonly forbids: (peer: NodeId) => string | undefined;
  readonly pathsTo: (node: NodeId) => Paths;
  readonly localAddress: string | undefined;
  /** A record stamped further ahead than this would be set aside. */
  readonly driftMaxMs: number;
  readonly wall: () => number;
};

/** From our roster to a conversation as members, over a connection of its own that opens no link. */
export type MemberPath = NetworkPath & {
  readonly deps: ExamineDeps;
  readonly peer: NodeId;
  tls: TLSSocket | undefined;
  session: ClientHttp2Session | undefined;
  hello: Hello | undefined;
};

const helloShape = fields({
  node: text(20),
  version: text(64),
  wall: integer(0, Number.MAX_SAFE_INTEGER),
  seesYou: oneOf("alive", "unreachable", "dead"),
});
type Hello = NonNullable<ReturnType<typeof helloShape>>;

const helloPath = "/starlight/v1/hello";
const timeoutMs = 5_000;
const answerBytesMax = 16_384;

export const memberPath = (deps: ExamineDeps, peer: NodeId, address: string): MemberPath => ({
  ...networkPath(address, deps.localAddress),
  deps,
  peer,
  tls: undefined,
  session: undefined,
  hello: undefined,
});

export function closePath({ session, tls, socket }: MemberPath): void {
  session?.destroy();
  tls?.destroy();
  socket?.destroy();
}

/** What this node knows before it dials. */
export const ownHops: readonly Hop<{ readonly deps: ExamineDeps; readonly peer: NodeId }>[] = [
  { name: "roster", run: isOnRoster },
  { name: "policy", run: isAdmitted },
  { name: "addresses", run: hasAddress },
];

/** In the order in which each stands on the one before; a new hop is one more line. */
export const memberHops: readonly Hop<MemberPath>[] = [
  ...networkHops,
  { name: "tls", run: shakeHands },
  { name: "identity", run: isTheMember },
  { name: "admitted", run: sayHello },
  { name: "version", run: compareProtocols },
  { name: "clock", run: compareClocks },
];

function isOnRoster({ deps, peer }: { deps: ExamineDeps; peer: NodeId }): HopResult {
  const found = deps.member(peer)?.member;
  if (found === undefined) return failed(`${peer} is not on our roster`, "It must join with an invite.");
  return passed(`${found.name} of site ${found.site}, region ${found.region}`);
}

function isAdmitted({ deps, peer }: { deps: ExamineDeps; peer: NodeId }): HopResult {
  const key = deps.member(peer)?.member.tlsKey ?? "";
  const forbidden = deps.forbids(peer);
  if (forbidden !== undefined)
    return failed(forbidden, "That is what the policy says; `starlight delete linkpolicy NAME` ends it.");
  if (deps.admits(peer, key)) return passed("our side allows the connection");
  return failed("our side does not admit its key", "Its membership has ended: let it join again.");
}

function hasAddress({ deps, peer }: { deps: ExamineDeps; peer: NodeId }): HopResult {
  const { addresses, relays } = deps.pathsTo(peer);
  if (addresses.length > 0) return passed(addresses.join(", "));
  const names = relays.map((relay) => deps.member(relay)?.member.name ?? relay);
  if (names.length > 0) return passed(`it has none, and is reached through ${names.join(", ")}`);
  return failed(
    "it never said where it answers, and nobody saw it",
    "Start its agent where one of us can be dialled from there, set `advertise` on it, or `seeds` here.",
  );
}

/** The chain alone; the next hop compares the identity. */
async function shakeHands(path: MemberPath): Promise<HopResult> {
  const { socket, deps } = path;
  if (socket === undefined) return failed("there is no connection", "");
  const options = memberTls(deps.identity, () => undefined);
  try {
    path.tls = await openTls(socket, options, timeoutMs);
    return passed(path.tls.getProtocol() ?? "");
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (/CERT|ISSUER|SIGNATURE|_CA$/.test(code)) {
      const fix = "Another mesh or another program has that address now: correct `advertise` on the member.";
      return failed(`whoever answers has no certificate of our mesh (${code})`, fix);
    }
    const fix = "See which program listens on that port, and whether a proxy breaks TLS open.";
    return failed(`something answers, but not with TLS 1.3 (${code || message})`, fix);
  }
}

function isTheMember({ tls, deps, peer }: MemberPath): HopResult {
  const raw = tls?.getPeerX509Certificate()?.raw;
  const found = raw === undefined ? undefined : identityOf(new X509Certificate(raw));
  const fix = "Addresses have changed hands: restart the member's agent, so that it tells where it is now.";
  if (raw === undefined || found?.type !== "node") return failed("whoever answers is no node", fix);
  if (found.mesh !== deps.identity.node.mesh.id)
    return failed(`node ${found.name} of another mesh (${found.mesh}) answers there`, fix);
  if (found.id !== peer) return failed(`another member, ${found.name} (${found.id}), answers there`, fix);
  const key = tlsKeyOf(new X509Certificate(raw));
  if (key === deps.member(peer)?.member.tlsKey) return passed("it holds the key that the roster names");
  return failed(
    "it answers with a key that the roster does not name",
    "Somebody copied its identity, or it was made anew: revoke it and let it join again.",
  );
}

async function sayHello(path: MemberPath): Promise<HopResult> {
  const { tls } = path;
  if (tls === undefined || tls.alpnProtocol !== "h2")
    return failed("it does not speak HTTP/2", "Install the version of Starlight that the mesh runs.");
  const session = connectHttp2("https://starlight", { createConnection: () => tls });
  session.on("error", () => {});
  path.session = session;
  const { status, body } = await get(session, helloPath);
  if (status === 401 || status === 403) {
    return failed(
      "it does not take us for a member",
      "Its roster lacks us or ended our membership, or its link policy forbids us: `starlight get nodes --server` there.",
    );
  }
  path.hello = status === 200 ? helloShape(parseJson(body)) : undefined;
  if (path.hello !== undefined) return passed(`it knows us, and sees us as ${path.hello.seesYou}`);
  return failed(`it answered ${status} to our greeting`, "Upgrade the older of the two agents.");
}

/** A link is opened with POST; anything else is refused, with the protocol that the node speaks. */
async function compareProtocols({ session, hello }: MemberPath): Promise<HopResult> {
  if (session === undefined) return failed("there is no connection", "");
  const { headers } = await get(session, linkPath);
  const theirs = readRange(String(headers[protocolHeader] ?? ""));
  const there = theirs === undefined ? "unknown" : rangeText(theirs);
  const both = `link protocol ${there} there, ${rangeText(spoken)} here (Starlight ${hello?.version ?? ""} there)`;
  return theirs !== undefined && commonProtocol(spoken, theirs) !== undefined
    ? passed(both)
    : failed(both, "Upgrade the older of the two agents.");
}

function compareClocks({ hello, deps }: MemberPath): HopResult {
  const aheadMs = (hello?.wall ?? 0) - deps.wall();
  const seconds = Math.round(Math.abs(aheadMs) / 100) / 10;
  const sentence =
    seconds < 1
      ? "the clocks agree"
      : `its clock is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} ours`;
  if (Math.abs(aheadMs) <= deps.driftMaxMs) return passed(sentence);
  return failed(
    sentence,
    "Set the clock that is wrong (`timedatectl`, NTP): records from the future are set aside.",
  );
}

function get(
  session: ClientHttp2Session,
  path: string,
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Uint8Array }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "GET", ":path": path, accept: "application/json" });
    const timer = setTimeout(() => stream.destroy(new Error("no answer in time")), timeoutMs);
    const chunks: Buffer[] = [];
    let bytes = 0;
    let headers: IncomingHttpHeaders = {};
    stream.on("response", (answer) => {
      headers = answer;
    });
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > answerBytesMax) stream.destroy(new Error("its answer is too long"));
      else chunks.push(chunk);
    });
    stream.on("error", reject);
    stream.on("close", () => {
      clearTimeout(timer);
      const status = Number((headers as { readonly ":status"?: number })[":status"] ?? 0);
      if (status === 0) reject(new Error("it broke off before it answered"));
      else resolve({ status, headers, body: Buffer.concat(chunks) });
    });
  });
}
