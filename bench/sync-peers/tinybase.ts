import { byAuthor, cpuOf, createWire, installed, isAgreed, residentBytes, type SyncPeer } from "./peer.ts";
import type { Item, Workload } from "./workload.ts";

type Store = {
  setCell(table: string, row: string, cell: string, value: string): Store;
  getTables(): Record<string, Record<string, Record<string, unknown>>>;
  transaction(work: () => void): void;
  getMergeableContent(): object;
  applyMergeableChanges(content: object): Store;
};
type Receive = (from: string, requestId: string | null, message: number, body: unknown) => void;
type Send = (to: string | null, requestId: string | null, message: number, body: unknown) => void;
type Synchronizer = {
  load(): Promise<unknown>;
  startAutoSave(): Promise<unknown>;
  destroy(): Promise<unknown>;
};
type Stores = { createMergeableStore(id: string, getNow: () => number): Store };
type Synchronizers = {
  createCustomSynchronizer(
    store: Store,
    send: Send,
    registerReceive: (receive: Receive) => void,
    destroy: () => void,
    timeoutSeconds: number,
  ): Synchronizer;
};

const { exports: stores, version } = installed<Stores>("tinybase", "mergeable-store");
const { exports: synchronizers } = installed<Synchronizers>("tinybase", "synchronizers");

/** The layout that its documentation suggests. */
export const peer = createTinyBase("TinyBase, one table", 1);

/**
 * A value is one cell with a JSON string. Both sides pull once from the other: they exchange the hashes of
 * all rows of each table that differs, which is why many small tables help. Messages are the payloads of
 * its WebSocket synchronizer. A writer is a store of its own, whose cells the side takes over.
 */
export function createTinyBase(name: string, tables: number): SyncPeer {
  return {
    name,
    version,
    run: async (workload) => {
      const wire = createWire();
      const sides = apart(workload, tables);
      const receivers: Receive[] = [];
      let connected = false;
      const synchronizersBySide = sides.map((store, side) =>
        synchronizers.createCustomSynchronizer(
          store,
          (to, ...message) => {
            if (!connected) return;
            const payload = encode(message);
            wire.pass(`${to ?? ""}\n${payload}`);
            const [requestId, type, body] = decode(payload);
            setImmediate(() => receivers[1 - side]?.(`side ${side}`, requestId, type, body));
          },
          (receive) => {
            receivers[side] = receive;
          },
          () => {},
          60,
        ),
      );
      // A synchronizer that does not save would not answer.
      for (const each of synchronizersBySide) await each.startAutoSave();
      connected = true;
      const cpuMs = await cpuOf(async () => {
        for (const each of synchronizersBySide) await each.load();
      });
      const rssBytes = residentBytes();
      for (const each of synchronizersBySide) await each.destroy();
      const agree = sides.every((store) => isAgreed(workload, read(store)));
      return { ...wire.totals(), cpuMs, rssBytes, agree };
    },
  };
}

function apart({ base, changes }: Workload, tables: number): Store[] {
  const sides = changes.map((_, side) => stores.createMergeableStore(`side ${side}`, () => baseMs));
  for (const store of sides) write(store, base, tables, baseMs);
  changes.forEach((items, side) => write(sides[side] as Store, items, tables, baseMs + 60_000));
  return sides;
}

const baseMs = Date.UTC(2027, 0, 1);

function write(store: Store, items: readonly Item[], tables: number, nowMs: number): void {
  for (const [author, mine] of byAuthor(items)) {
    const writer = stores.createMergeableStore(`writer ${author}`, () => nowMs);
    writer.transaction(() => {
      for (const { key, value } of mine)
        writer.setCell(tableOf(key, tables), key, "v", JSON.stringify(value));
    });
    store.applyMergeableChanges(writer.getMergeableContent());
  }
}

function tableOf(key: string, tables: number): string {
  let hash = 0;
  for (const character of key) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return (hash % tables).toString(36);
}

function read(store: Store): Map<string, unknown> {
  const rows = Object.values(store.getTables()).flatMap((table) => Object.entries(table));
  return new Map(rows.map(([key, { v }]) => [key, JSON.parse(v as string)]));
}

function encode(message: readonly unknown[]): string {
  return JSON.stringify(message, (_, value: unknown) => (value === undefined ? "\uFFFC" : value));
}

function decode(payload: string): [requestId: string | null, type: number, body: unknown] {
  return JSON.parse(payload) as [string | null, number, unknown];
}
