import { carryOut, type Handlers } from "../kernel/effects.ts";
import type { Signer } from "../kernel/crypto.ts";
import type { Json } from "../kernel/json.ts";
import { randomStream } from "../kernel/random.ts";
import { draftRecord, type MeshRecord, type NodeId, type RecordKind } from "../records/record.ts";
import { fill, fullAt, fullBucket, type Bucket, type BucketRate } from "../kernel/bucket.ts";
import { reserveOf, type LinkClass } from "../records/link-class.ts";
import type { Place, Scope } from "../records/scope.ts";
import { cover, emptyStore, putRecord, scopeDigest, sealNext, type RecordStore } from "../records/store.ts";
import { hex } from "../kernel/bytes.ts";
import type { SyncEffect, Waiting } from "./contract.ts";
import { createSync } from "./create-sync.ts";

/** Sync machines with stores, joined by links that carry every frame in order and count its bytes. */

export type Node = {
  readonly id: NodeId;
  readonly store: RecordStore;
  /** Writes records together, as one parcel, and lets the machine spread them. */
  readonly write: (entries: readonly Entry[], options?: WriteOptions) => MeshRecord[];
  /** Puts records in without telling anyone: as if they had always been there. */
  readonly seed: (entries: readonly Entry[], options?: WriteOptions) => MeshRecord[];
  readonly digest: (scope?: Scope) => string;
  readonly inStep: (peer: Node) => boolean;
  readonly waiting: (peer: Node) => Waiting | undefined;
  /** Delivers raw bytes as a frame from that peer. */
  readonly inject: (from: Node, bytes: Uint8Array) => readonly SyncEffect[];
  readonly errors: string[];
  /** Records that came in, duplicates included. */
  received: number;
};

export type Entry = { readonly key: string; readonly body: Json | undefined };
export type WriteOptions = { readonly scope?: Scope; readonly kind?: RecordKind };

export type Bed = {
  readonly node: (id: NodeId, place?: Place) => Node;
  readonly link: (a: Node, b: Node) => void;
  /** Each with each other. */
  readonly linkAll: (all: readonly Node[]) => void;
  readonly cut: (a: Node, b: Node) => void;
  /** Lets virtual time pass. */
  readonly run: (ms: number) => void;
  /** Bytes and frames sent since the last call. */
  readonly spent: () => { readonly bytes: number; readonly frames: number; readonly log: readonly string[] };
  /** What a node takes, as authorisation would have it: all, unless this says otherwise. */
  admits: (record: MeshRecord) => boolean;
  /** Drops every frame for which this says so. */
  drop: (from: Node, to: Node, bytes: Uint8Array) => boolean;
  /** Whether everybody knows who is linked with whom. */
  knowsLinks: boolean;
  /** Of every link. */
  linkClass: LinkClass;
  /** Whether all nodes are of a site too large for links of all with all. */
  largeSite: boolean;
  /** The ends of links that are spare. */
  readonly spare: (readonly NodeId[])[];
  /** What every link may carry; undefined: any number of bytes. */
  rate: BucketRate | undefined;
  /** Members in view for a while, for every node. */
  settled: number;
};

/** Cheap stand-ins: hashes that mix well, signatures that nobody checks here. */
export function createBed(latencyMs = 5, sha256 = mixedHash): Bed {
  const crypto = { sha256 };
  const signer: Pick<Signer, "sign"> = { sign: () => new Uint8Array(64) };
  type Flight = { at: number; order: number; deliver: () => void };
  const flights: Flight[] = [];
  const nodes: { node: Node; wake: () => void; nextWake: () => number }[] = [];
  let now = 1_000;
  let stamp = 1;
  let order = 0;
  let bytes = 0;
  let log: string[] = [];
  const linkedTo = (id: NodeId): NodeId[] =>
    bed.knowsLinks ? [...(linksById.get(id)?.values() ?? [])].map((peer) => peer.id) : [];
  const linksById = new Map<NodeId, Map<number, Node>>();
  const bed: Bed = {
    node: (id, place = { site: "s", region: "r" }) => {
      const store = emptyStore();
      const sync = createSync({ self: id, compareEvery: 5_000 });
      const random = randomStream(7, id);
      const links = new Map<number, Node>();
      const buckets = new Map<number, Bucket>();
      const bucketOf = (link: number): Bucket => {
        const bucket = buckets.get(link) ?? fullBucket(bed.rate ?? { perSecond: 0, burst: 0 }, now);
        buckets.set(link, bucket);
        return bucket;
      };
      linksById.set(id, links);
      const handle = (event: Parameters<typeof sync.handle>[0]): readonly SyncEffect[] => {
        const effects = sync.handle(event, {
          now,
          random,
          place,
          store,
          crypto,
          isLargeSite: () => bed.largeSite,
          isSpare: (peer) => bed.spare.some((pair) => pair.includes(id) && pair.includes(peer)),
          linkClass: () => bed.linkClass,
          budget: {
            room: (link, urgency) => {
              if (bed.rate === undefined) return Number.POSITIVE_INFINITY;
              return Math.max(0, fill(bucketOf(link), bed.rate, now) - reserveOf(urgency) * bed.rate.burst);
            },
            opensAt: (link, urgency) => {
              if (bed.rate === undefined) return now;
              fill(bucketOf(link), bed.rate, now);
              return fullAt(bucketOf(link), bed.rate, (reserveOf(urgency) + 1 / 8) * bed.rate.burst);
            },
          },
          settled: () => bed.settled,
          linkedTo: (id: NodeId) => linkedTo(id),
        });
        for (const effect of effects) carryOut(handlers, effect);
        return effects;
      };
      const handlers: Handlers<SyncEffect> = {
        send: ({ link, bytes: frame }) => {
          const to = links.get(link);
          if (to === undefined) return;
          bytes += frame.length;
          if (bed.rate !== undefined) bucketOf(link).level -= frame.length;
          log.push(`${id}>${to.id} ${frame[0]} ${frame.length}`);
          if (bed.drop(node, to, frame)) return;
          flights.push({ at: now + latencyMs, order: order++, deliver: () => void to.inject(node, frame) });
        },
        received: ({ link, records, covers }) => {
          node.received += records.length;
          const admitted = records.filter((record) => bed.admits(record));
          const fresh = admitted.filter((record) => putRecord(store, record).type === "stored");
          for (const each of covers) if (authors.has(each.author)) cover(store, each, each.from, each.to);
          if (fresh.length > 0) handle({ type: "stored", records: fresh, from: link });
        },
        "only-here": () => {},
        "in-step": () => {},
        "protocol-error": ({ detail }) => node.errors.push(detail),
      };
      const put = (entries: readonly Entry[], options: WriteOptions = {}): MeshRecord[] => {
        const { scope = "mesh", kind = "fact" } = options;
        const records = entries.map(({ key, body }) =>
          draftRecord({ scope, key, kind, body, version: stamp++ }, id, crypto),
        );
        for (const record of records) putRecord(store, record);
        sealNext(
          store,
          records.filter(({ live }) => live),
          true,
          signer,
          crypto,
        );
        return records;
      };
      const node: Node = {
        id,
        store,
        seed: put,
        write: (entries, options) => {
          const records = put(entries, options);
          handle({ type: "stored", records: records.filter(({ live }) => live), from: undefined });
          return records;
        },
        digest: (scope = "mesh") => hex(scopeDigest(store, scope).hash),
        inStep: (peer) => sync.inStep(linkNumber(node, peer)),
        waiting: (peer) => sync.waiting(linkNumber(node, peer)),
        inject: (from, frame) => {
          const link = linkNumber(node, from);
          return links.has(link) ? handle({ type: "frame", link, bytes: frame }) : [];
        },
        errors: [],
        received: 0,
      };
      const up = (peer: Node, at: Place): void => {
        links.set(linkNumber(node, peer), peer);
        handle({ type: "peer-up", link: linkNumber(node, peer), peer: peer.id, place: at });
      };
      const down = (peer: Node): void => {
        links.delete(linkNumber(node, peer));
        handle({ type: "peer-down", link: linkNumber(node, peer) });
      };
      doors.set(node, { up, down, place });
      authors.add(id);
      nodes.push({ node, wake: () => void handle({ type: "wake" }), nextWake: () => sync.wake().at });
      return node;
    },
    link: (a, b) => {
      const [left, right] = [doorOf(a), doorOf(b)];
      left.up(b, right.place);
      right.up(a, left.place);
    },
    linkAll: (all) => {
      for (const [at, one] of all.entries()) for (const other of all.slice(at + 1)) bed.link(one, other);
    },
    cut: (a, b) => {
      doorOf(a).down(b);
      doorOf(b).down(a);
    },
    run: (ms) => {
      const end = now + ms;
      for (;;) {
        const flight = flights.sort((x, y) => x.at - y.at || x.order - y.order)[0];
        const waker = nodes.reduce<(typeof nodes)[number] | undefined>(
          (best, each) => (best === undefined || each.nextWake() < best.nextWake() ? each : best),
          undefined,
        );
        const wakeAt = Math.max(now, waker?.nextWake() ?? Number.POSITIVE_INFINITY);
        const at = Math.min(flight?.at ?? Number.POSITIVE_INFINITY, wakeAt);
        if (at > end) break;
        now = at;
        if (flight !== undefined && flight.at <= at) {
          flights.shift();
          flight.deliver();
        } else waker?.wake();
      }
      now = end;
    },
    spent: () => {
      const was = { bytes, frames: log.length, log };
      [bytes, log] = [0, []];
      return was;
    },
    admits: () => true,
    drop: () => false,
    knowsLinks: false,
    linkClass: "lan",
    largeSite: false,
    spare: [],
    rate: undefined,
    settled: 1,
  };
  const authors = new Set<NodeId>();
  type Door = { up: (peer: Node, place: Place) => void; down: (peer: Node) => void; place: Place };
  const doors = new Map<Node, Door>();
  const doorOf = (node: Node): Door => {
    const door = doors.get(node);
    if (door === undefined) throw new RangeError(`no node ${node.id}`);
    return door;
  };
  const numbers = new Map<string, number>();
  const linkNumber = (own: Node, peer: Node): number => {
    const name = `${own.id} ${peer.id}`;
    const held = numbers.get(name) ?? numbers.size + 1;
    numbers.set(name, held);
    return held;
  };
  return bed;
}

/** 32 well-mixed bytes: four FNV-like lanes over the input, finished by a multiply-shift. */
export function mixedHash(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(32);
  for (let lane = 0; lane < 8; lane++) {
    let hash = 0x811c9dc5 ^ Math.imul(lane + 1, 0x9e3779b1);
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
    hash ^= hash >>> 15;
    for (let at = 0; at < 4; at++) out[4 * lane + at] = (hash >>> (8 * at)) & 0xff;
  }
  return out;
}

/** A node id with this number in it. */
export const idOf = (number: number): NodeId => number.toString(16).padStart(20, "0");
