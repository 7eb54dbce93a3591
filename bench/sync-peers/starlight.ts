import { generateKeyPairSync } from "node:crypto";
import { carryOut, type Handlers } from "../../src/core/kernel/effects.ts";
import type { Signer } from "../../src/core/kernel/crypto.ts";
import type { Json } from "../../src/core/kernel/json.ts";
import { randomStream } from "../../src/core/kernel/random.ts";
import { newestOf } from "../../src/core/records/log.ts";
import {
  bodyOf,
  draftRecord,
  nodeIdOf,
  type MeshRecord,
  type NodeId,
} from "../../src/core/records/record.ts";
import { sealHolds } from "../../src/core/records/seal.ts";
import { cover, emptyStore, putRecord, sealNext, type RecordStore } from "../../src/core/records/store.ts";
import { unlimited } from "../../src/core/sync/contract.ts";
import type { SyncEffect, SyncEvent } from "../../src/core/sync/contract.ts";
import { createSync } from "../../src/core/sync/create-sync.ts";
import { nodeCrypto, signerFromPem } from "../../src/shells/crypto-node/node-crypto.ts";
import { compress, decompress } from "../../src/shells/transport-http2/compression.ts";
import { cpuOf, createWire, isAgreed, residentBytes, type SyncPeer } from "./peer.ts";
import type { Item } from "./workload.ts";

type Writer = { readonly id: NodeId; readonly signer: Signer };
type Side = { readonly store: RecordStore; readonly handle: (event: SyncEvent) => void };

/**
 * Our own records, logs and exchange, with real Ed25519 signatures that the receiving side verifies: what
 * a writer wrote together is signed together. Processor time includes compressing, decompressing, hashing
 * and verifying on both sides; of the others it is the library alone.
 */
export const peer: SyncPeer = {
  name: "Starlight",
  version: "here",
  run: async (workload) => {
    const wire = createWire();
    let sent = 0;
    const writers = Array.from({ length: workload.writers }, newWriter);
    const keyById = new Map(writers.map(({ id, signer }) => [id, signer.publicKey] as const));
    let stamp = 1;
    const write = (store: RecordStore, items: readonly Item[]): MeshRecord[] => {
      const written: MeshRecord[] = [];
      for (const [at, { id, signer }] of writers.entries()) {
        const records = items
          .filter(({ author }) => author === at)
          .map(({ key, value }) =>
            draftRecord(
              { scope: "mesh", key, kind: "fact", version: stamp++, body: value as unknown as Json },
              id,
              nodeCrypto,
            ),
          );
        for (const record of records) putRecord(store, record);
        sealNext(store, records, true, signer, nodeCrypto);
        written.push(...records);
      }
      return written;
    };
    const queue: { readonly to: number; readonly bytes: Uint8Array }[] = [];
    const sides = [0, 1].map((at): Side =>
      newSide(at, keyById, (bytes) => {
        const packed = compress(bytes) ?? bytes;
        wire.pass(bytes);
        sent += packed.length + frameHeaderBytes;
        queue.push({ to: 1 - at, bytes: packed });
      }),
    );
    const [a, b] = sides as [Side, Side];
    write(a.store, workload.base);
    for (const record of a.store.bySlot.values()) putRecord(b.store, { ...record, live: false });
    for (const log of a.store.logs.values()) cover(b.store, log, 0, newestOf(log));
    write(a.store, workload.changes[0]);
    write(b.store, workload.changes[1]);
    const cpuMs = await cpuOf(() => {
      sides.forEach((side, at) =>
        side.handle({ type: "peer-up", link: 1, peer: idOf(1 - at), place: { site: "s", region: "r" } }),
      );
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const bytes = isZstd(next.bytes) ? decompress(next.bytes) : next.bytes;
        if (bytes !== undefined) sides[next.to]?.handle({ type: "frame", link: 1, bytes });
      }
    });
    const rssBytes = residentBytes();
    const agree = sides.every(({ store }) => isAgreed(workload, read(store)));
    const parcels = new Set(workload.changes.flat().map(({ author }) => author)).size;
    return {
      ...wire.totals(),
      bytes: sent,
      cpuMs,
      rssBytes,
      agree,
      note: `${parcels} signatures; ${wire.totals().bytes} bytes through zstd 3 as the others`,
    };
  },
};

function newSide(
  at: number,
  keyById: ReadonlyMap<NodeId, Uint8Array>,
  send: (bytes: Uint8Array) => void,
): Side {
  const store = emptyStore();
  const sync = createSync({ self: idOf(at), compareEvery: 60_000 });
  const random = randomStream(1, `side ${at}`);
  const env = {
    now: 0,
    random,
    place: { site: "s", region: "r" },
    store,
    crypto: nodeCrypto,
    isLargeSite: () => false,
    isSpare: () => false,
    linkClass: () => "lan" as const,
    linkedTo: () => [],
    budget: unlimited,
    settled: () => 1,
  };
  const handlers: Handlers<SyncEffect> = {
    send: ({ bytes }) => send(bytes),
    received: ({ link, records, covers }) => {
      const fresh = records.filter((record) => {
        const key = keyById.get(record.author);
        if (key === undefined || !sealHolds(record, key, nodeCrypto)) throw new Error("a wrong signature");
        return putRecord(store, record).type === "stored";
      });
      for (const each of covers) cover(store, each, each.from, each.to);
      handle({ type: "stored", records: fresh, from: link });
    },
    "only-here": () => {},
    "in-step": () => {},
    "protocol-error": ({ detail }) => {
      throw new Error(detail);
    },
  };
  const handle = (event: SyncEvent): void => {
    for (const effect of sync.handle(event, env)) carryOut(handlers, effect);
  };
  return { store, handle };
}

function newWriter(): Writer {
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = signerFromPem(String(privateKey.export({ format: "pem", type: "pkcs8" })));
  return { id: nodeIdOf(signer.publicKey, nodeCrypto), signer };
}

function read(store: RecordStore): Map<string, unknown> {
  return new Map([...store.bySlot.values()].map((record) => [record.key, bodyOf(record)]));
}

/** The length before each frame; what HTTP/2 and TLS add is not counted, as for the others. */
const frameHeaderBytes = 4;

const idOf = (at: number): NodeId => String(at).padStart(20, "0");

/** RFC 8878, 3.1.1: the magic number of a frame. No sync frame begins like it. */
const isZstd = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd;
