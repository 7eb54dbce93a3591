import { cpuOf, createWire, installed, isAgreed, residentBytes, type SyncPeer } from "./peer.ts";
import type { Item, Side, Workload } from "./workload.ts";

type YMap = {
  set(key: string, value: unknown): void;
  forEach(visit: (value: unknown, key: string) => void): void;
};
type YDoc = { clientID: number; getMap(name: string): YMap };
type Yjs = {
  Doc: new () => YDoc;
  encodeStateVector(doc: YDoc): Uint8Array;
  encodeStateAsUpdateV2(doc: YDoc, since?: Uint8Array): Uint8Array;
  applyUpdateV2(doc: YDoc, update: Uint8Array): void;
};

const { exports: Y, version } = installed<Yjs>("yjs");

/**
 * One Y.Map at the root, a record's value in it as a JSON string: after zstd fewer bytes than as a plain
 * object or a nested Y.Map. State vectors cross, then each side sends what the other lacks in the second
 * encoding, which is smaller than the first. A writer is a client id. An overwritten entry is named by the
 * id of what it replaces and not by its key: hence fewer bytes than the floor, which holds the keys.
 */
export const peer: SyncPeer = {
  name: "Yjs",
  version,
  run: async (workload) => {
    const wire = createWire();
    const origin = new Y.Doc();
    write(origin, workload.base);
    const snapshot = Y.encodeStateAsUpdateV2(origin);
    const docs = ([0, 1] as const).map((side) => apart(snapshot, workload, side)) as [YDoc, YDoc];
    const cpuMs = await cpuOf(() => {
      const vectors = docs.map((doc) => passed(Y.encodeStateVector(doc)));
      const updates = docs.map((doc, side) => passed(Y.encodeStateAsUpdateV2(doc, vectors[1 - side])));
      docs.forEach((doc, side) => Y.applyUpdateV2(doc, updates[1 - side] as Uint8Array));
    });
    const rssBytes = residentBytes();
    return { ...wire.totals(), cpuMs, rssBytes, agree: docs.every((doc) => isAgreed(workload, read(doc))) };

    function passed(message: Uint8Array): Uint8Array {
      wire.pass(message);
      return message;
    }
  },
};

function apart(snapshot: Uint8Array, workload: Workload, side: Side): YDoc {
  const doc = new Y.Doc();
  Y.applyUpdateV2(doc, snapshot);
  write(doc, workload.changes[side]);
  return doc;
}

function write(doc: YDoc, items: readonly Item[]): void {
  const map = doc.getMap("records");
  for (const { key, author, value } of items) {
    doc.clientID = author + 1;
    map.set(key, JSON.stringify(value));
  }
}

function read(doc: YDoc): Map<string, unknown> {
  const held = new Map<string, unknown>();
  doc.getMap("records").forEach((value, key) => held.set(key, JSON.parse(value as string)));
  return held;
}
