import { decode, encode, type Answer, type Packet, type Question } from "dns-packet";
import { isNodeId, type NodeId } from "../../core/records/record.ts";
import type { Announcement } from "../../ports/discovery.ts";

/**
 * What is said on the wire: DNS-Based Service Discovery (RFC 6763) in Multicast DNS (RFC 6762).
 *
 *     _starlight._tcp.local            PTR   <node id>._starlight._tcp.local
 *     <node id>._starlight._tcp.local  SRV   0 0 <port> <node id>.local
 *                                      TXT   v=1 mesh=<mesh id>
 *     <node id>.local                  A     the address of the interface it is said on
 *
 * Names hold the node id, the hash of a key, so nobody has to probe whether they are taken (RFC 6762,
 * section 8.1).
 */

export const service = "_starlight._tcp.local";
const everyService = "_services._dns-sd._udp.local";
export const announcementVersion = 1;
/** Ours are below 400 bytes; what is longer was not said to us. */
export const datagramBytesMax = 1_500;
/** Seconds (RFC 6762, section 10). */
const hostTtl = 120;
const listTtl = 4_500;
const legacyTtl = 10;
/** Entries of a datagram that are looked at. */
const entriesMax = 64;

export type Question53 = {
  readonly id: number;
  readonly names: readonly { readonly name: string; readonly type: string }[];
  /** Nodes that the asker knows already (known-answer suppression, RFC 6762, section 7.1). */
  readonly known: ReadonlySet<NodeId>;
};

export type Heard =
  | { readonly type: "question"; readonly question: Question53 }
  | {
      readonly type: "nodes";
      readonly nodes: readonly {
        readonly meshId: NodeId;
        readonly nodeId: NodeId;
        readonly port: number;
        readonly version: number;
        /** It takes its leave. */
        readonly goodbye: boolean;
      }[];
    };

/** What a datagram says to us; undefined when it is none of ours. Never throws. */
export function readDatagram(bytes: Buffer): Heard | undefined {
  if (bytes.length > datagramBytesMax) return undefined;
  try {
    const packet = decode(bytes);
    return packet.type === "response" ? nodesIn(packet) : questionIn(packet);
  } catch {
    return undefined;
  }
}

export function query(known: readonly NodeId[]): Buffer {
  return encode({
    type: "query",
    questions: [{ type: "PTR", name: service, class: "IN" }],
    answers: known.map((id) => ({ type: "PTR", name: service, ttl: listTtl, data: instanceOf(id) })),
  });
}

/**
 * Everything about us in one datagram; undefined when the question is not about us.
 *
 * @param host our IPv4 address on the interface where it is said.
 * @param legacy the question, when a program asked that speaks no mDNS: it gets its question back.
 */
export function answer(
  question: Question53,
  { meshId, nodeId, port }: Announcement,
  host: string,
  legacy: boolean,
): Buffer | undefined {
  const instance = instanceOf(nodeId);
  const ours = new Set([service, instance, hostOf(nodeId)]);
  const asked = question.names.filter(({ name }) => ours.has(name) || name === everyService);
  if (asked.length === 0) return undefined;
  const about = asked.filter(({ name }) => name !== everyService);
  if (about.every(({ name }) => name === service) && question.known.has(nodeId)) return undefined;
  const ttl = (usual: number): number => (legacy ? legacyTtl : usual);
  const listed: Answer[] = asked
    .filter(({ name }) => name === everyService)
    .map(() => ({ type: "PTR", name: everyService, ttl: ttl(listTtl), data: service }));
  const answers =
    about.length === 0 ? listed : [...listed, ...recordsOf({ meshId, nodeId, port }, host, ttl, !legacy)];
  return encode({
    type: "response",
    flags: authoritative,
    answers,
    ...(legacy ? { id: question.id, questions: questionsOf(asked) } : {}),
  });
}

/** Said unasked: when we come, when our address changes, and with `goodbye` when we go (time to live 0). */
export function announcement(announce: Announcement, host: string, goodbye: boolean): Buffer {
  const ttl = (usual: number): number => (goodbye ? 0 : usual);
  return encode({ type: "response", flags: authoritative, answers: recordsOf(announce, host, ttl, true) });
}

const authoritative = 1 << 10;

function recordsOf(
  { meshId, nodeId, port }: Announcement,
  host: string,
  ttl: (usual: number) => number,
  flush: boolean,
): Answer[] {
  const name = instanceOf(nodeId);
  const data = [`v=${announcementVersion}`, `mesh=${meshId}`];
  return [
    { type: "PTR", name: service, ttl: ttl(listTtl), data: name },
    { type: "SRV", name, ttl: ttl(hostTtl), flush, data: { port, target: hostOf(nodeId) } },
    { type: "TXT", name, ttl: ttl(listTtl), flush, data },
    { type: "A", name: hostOf(nodeId), ttl: ttl(hostTtl), flush, data: host },
  ];
}

const instanceOf = (id: NodeId): string => `${id}.${service}`;
const hostOf = (id: NodeId): string => `${id}.local`;

function questionsOf(asked: Question53["names"]): Question[] {
  return asked.map(({ name }) => ({ name, type: "PTR", class: "IN" }));
}

function questionIn(packet: Packet): Heard | undefined {
  const names = (packet.questions ?? []).slice(0, entriesMax).map(({ name, type }) => ({
    name: String(name).toLowerCase(),
    type: String(type),
  }));
  const known = new Set<NodeId>();
  for (const record of (packet.answers ?? []).slice(0, entriesMax)) {
    if (record.type !== "PTR" || (record.ttl ?? 0) < listTtl / 2) continue;
    const id = nodeOfInstance(record.data);
    if (id !== undefined) known.add(id);
  }
  return { type: "question", question: { id: packet.id ?? 0, names, known } };
}

function nodesIn(packet: Packet): Heard | undefined {
  const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])].slice(0, entriesMax);
  const texts = new Map<NodeId, ReadonlyMap<string, string>>();
  for (const record of records) {
    const id = record.type === "TXT" ? nodeOfInstance(record.name) : undefined;
    if (id !== undefined && record.type === "TXT") texts.set(id, pairsOf(record.data));
  }
  const nodes = records.flatMap((record) => {
    const nodeId = record.type === "SRV" ? nodeOfInstance(record.name) : undefined;
    if (nodeId === undefined || record.type !== "SRV") return [];
    const { port } = record.data;
    const meshId = texts.get(nodeId)?.get("mesh") ?? "";
    const version = Number(texts.get(nodeId)?.get("v"));
    const sound = isNodeId(meshId) && Number.isInteger(port) && port >= 1 && Number.isInteger(version);
    return sound ? [{ meshId, nodeId, port, version, goodbye: record.ttl === 0 }] : [];
  });
  return nodes.length === 0 ? undefined : { type: "nodes", nodes };
}

function nodeOfInstance(name: unknown): NodeId | undefined {
  const text = String(name).toLowerCase();
  const id = text.endsWith(`.${service}`) ? text.slice(0, -service.length - 1) : "";
  return isNodeId(id) ? id : undefined;
}

/** `key=value` of a TXT record; the first of a key counts (RFC 6763, section 6.4). */
function pairsOf(data: unknown): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const entry of (Array.isArray(data) ? data : [data]).slice(0, 16)) {
    const text = Buffer.isBuffer(entry) ? entry.toString() : String(entry);
    const at = text.indexOf("=");
    const key = text.slice(0, at).toLowerCase();
    if (at > 0 && !pairs.has(key)) pairs.set(key, text.slice(at + 1));
  }
  return pairs;
}
