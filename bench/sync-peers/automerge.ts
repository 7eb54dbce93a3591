import { byAuthor, cpuOf, createWire, installed, isAgreed, residentBytes, type SyncPeer } from "./peer.ts";
import type { Item, Workload } from "./workload.ts";

type Records = Record<string, { readonly val: string }>;
type Doc = Readonly<Records>;
type SyncState = object;
type Actor = { readonly actor: string };
type Automerge = {
  ImmutableString: new (text: string) => { readonly val: string };
  init(actor: Actor): Doc;
  load(bytes: Uint8Array, actor: Actor): Doc;
  save(doc: Doc): Uint8Array;
  clone(doc: Doc, actor: Actor): Doc;
  free(doc: Doc): void;
  change(doc: Doc, options: { readonly time: number }, work: (records: Records) => void): Doc;
  initSyncState(): SyncState;
  generateSyncMessage(doc: Doc, state: SyncState): [state: SyncState, message: Uint8Array | null];
  receiveSyncMessage(doc: Doc, state: SyncState, message: Uint8Array): [doc: Doc, state: SyncState, null];
};

const { exports: automerge, version } = installed<Automerge>("@automerge/automerge");

/** Automerge at its best: everything that a writer wrote while apart is one change. */
export const peer = createAutomerge("Automerge, a change for each writer", (mine) => [[...mine]]);

/**
 * Records at the root, a value as a JSON string that cannot be edited, so that it is one operation and not
 * one for each character; 5 % fewer bytes than nested objects. The sync protocol runs with fresh states
 * until neither side has something to say. A writer is an actor. `grouped`
 * says which of a writer's records make one change: Automerge sends each change with its hashes, and the
 * whole document as soon as more than a third of all changes are missing.
 */
export function createAutomerge(name: string, grouped: Grouped): SyncPeer {
  return {
    name,
    version,
    run: async (workload) => {
      const wire = createWire();
      const snapshot = saved(workload, grouped);
      const docs = workload.changes.map((items, side) =>
        write(automerge.load(snapshot, { actor: `e${side}` }), items, grouped),
      );
      const cpuMs = await cpuOf(() => {
        const states = docs.map(() => automerge.initSyncState());
        for (let silent = 0, side = 0; silent < 2; side = 1 - side) {
          const [state, message] = automerge.generateSyncMessage(
            docs[side] as Doc,
            states[side] as SyncState,
          );
          states[side] = state;
          silent = message === null ? silent + 1 : 0;
          if (message === null) continue;
          wire.pass(message);
          const other = 1 - side;
          const [doc, heard] = automerge.receiveSyncMessage(
            docs[other] as Doc,
            states[other] as SyncState,
            message,
          );
          docs[other] = doc;
          states[other] = heard;
        }
      });
      const rssBytes = residentBytes();
      return { ...wire.totals(), cpuMs, rssBytes, agree: docs.every((doc) => isAgreed(workload, read(doc))) };
    },
  };
}

type Grouped = (mine: readonly Item[]) => Item[][];

function saved({ base }: Workload, grouped: Grouped): Uint8Array {
  const origin = write(automerge.init({ actor: "ff" }), base, grouped);
  const bytes = automerge.save(origin);
  automerge.free(origin);
  return bytes;
}

function write(doc: Doc, items: readonly Item[], grouped: Grouped): Doc {
  let current = doc;
  for (const [author, mine] of byAuthor(items)) {
    const before = current;
    current = automerge.clone(before, { actor: (author + 1).toString(16).padStart(2, "0") });
    automerge.free(before);
    for (const group of grouped(mine)) {
      current = automerge.change(current, { time: 0 }, (records) => {
        for (const { key, value } of group) {
          records[key] = new automerge.ImmutableString(JSON.stringify(value));
        }
      });
    }
  }
  return current;
}

function read(doc: Doc): Map<string, unknown> {
  return new Map(Object.entries(doc).map(([key, { val }]) => [key, JSON.parse(val)]));
}
