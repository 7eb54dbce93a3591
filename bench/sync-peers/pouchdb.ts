import { cpuOf, createWire, installed, isAgreed, residentBytes, type SyncPeer, type Wire } from "./peer.ts";
import type { Item } from "./workload.ts";

type Document = { readonly _id: string; readonly _rev?: string; readonly value: unknown };
type Database = {
  info(): Promise<object>;
  get(id: string): Promise<object>;
  put(document: object): Promise<object>;
  bulkDocs(documents: object | readonly Document[], options?: object): Promise<object>;
  bulkGet(options: object): Promise<object>;
  revsDiff(revisions: object): Promise<object>;
  changes(options: object): Promise<object>;
  allDocs(options: object): Promise<{ readonly rows: readonly { readonly doc: Document }[] }>;
  sync(other: Database, options: object): Promise<unknown>;
};
type PouchDB = {
  new (name: string, options: object): Database;
  plugin(plugin: unknown): PouchDB;
};
type Fetch = (
  url: string,
  options?: { readonly method?: string; readonly body?: string },
) => Promise<Response>;

const { exports: core, version } = installed<PouchDB & { readonly default?: PouchDB }>("pouchdb-core");
const adapters = ["pouchdb-adapter-memory", "pouchdb-adapter-http", "pouchdb-replication"].map(
  (name) => installed<{ readonly default?: unknown }>(name).exports,
);

/**
 * A document for each record. A and B have synchronised before, so that both directions resume from a
 * checkpoint; two sides that only descend from one origin would list all records to each other. B is behind
 * the HTTP adapter, with CouchDB's paths answered in this process and the JSON bodies counted, not the
 * paths and headers. A revision has no author, so the number of writers changes nothing.
 */
export const peer: SyncPeer = {
  name: "PouchDB",
  version,
  run: async (workload) => {
    const wire = createWire();
    const PouchDB = withPlugins();
    const [a, b] = ["a", "b"].map((name) => new PouchDB(name, { adapter: "memory" })) as [Database, Database];
    const remote = (fetch: Fetch): Database => new PouchDB(`${address}/b`, { adapter: "http", fetch });
    await a.bulkDocs(workload.base.map(({ key, value }) => ({ _id: key, value })));
    // The second time moves the checkpoint of B's direction past what came from A.
    for (const _ of ["from A", "nothing"]) await a.sync(remote(served(b)), { batch_size: 1000 });
    await update(a, workload.changes[0]);
    await update(b, workload.changes[1]);
    const counted = remote(served(b, wire));
    const cpuMs = await cpuOf(async () => {
      await a.sync(counted, { batch_size: 1000 });
    });
    const rssBytes = residentBytes();
    const held = await Promise.all([a, b].map(read));
    const note = "resumes from checkpoints of an earlier exchange between the same two";
    return {
      ...wire.totals(),
      cpuMs,
      rssBytes,
      agree: held.every((each) => isAgreed(workload, each)),
      note,
    };
  },
};

const address = "http://peer.invalid";

function withPlugins(): PouchDB {
  let pouch = core.default ?? core;
  for (const adapter of adapters) pouch = pouch.plugin(adapter.default ?? adapter);
  return pouch;
}

/** CouchDB's HTTP API in front of `database`, as much of it as a replication asks for. */
function served(database: Database, wire?: Wire): Fetch {
  return async (url, { method = "GET", body } = {}) => {
    if (body !== undefined) wire?.pass(body);
    let status = 200;
    const answer = await answered(database, method, new URL(url), body).catch(
      (error: { status?: number }) => {
        status = error.status ?? 500;
        return error;
      },
    );
    const text = JSON.stringify(answer);
    wire?.pass(text);
    return new Response(text, { status, headers: { "content-type": "application/json" } });
  };
}

async function answered(database: Database, method: string, url: URL, body = "{}"): Promise<object> {
  const [, name = "", call = "", ...rest] = url.pathname.split("/").map(decodeURIComponent);
  const query = Object.fromEntries(url.searchParams);
  const json = JSON.parse(body) as object;
  if (name === "") return { couchdb: "Welcome", uuid: "b", version: "3.3.3" };
  switch (call) {
    case "":
      return await database.info();
    case "_local":
      if (method === "PUT") return await database.put(json);
      return await database.get(`_local/${rest.join("/")}`);
    case "_changes":
      return await database.changes({
        since: Number(query["since"] ?? 0),
        limit: Number(query["limit"]),
        style: query["style"],
      });
    case "_revs_diff":
      return await database.revsDiff(json);
    case "_bulk_get":
      return await database.bulkGet({ ...json, revs: true, latest: true });
    case "_bulk_docs":
      return await database.bulkDocs(json);
    default:
      throw new Error(`no answer for ${method} ${url.pathname}`);
  }
}

async function update(database: Database, items: readonly Item[]): Promise<void> {
  const { rows } = await database.allDocs({ include_docs: true });
  const revisions = new Map(rows.map(({ doc }) => [doc._id, doc._rev]));
  await database.bulkDocs(items.map(({ key, value }) => ({ _id: key, _rev: revisions.get(key), value })));
}

async function read(database: Database): Promise<Map<string, unknown>> {
  const { rows } = await database.allDocs({ include_docs: true });
  return new Map(rows.map(({ doc }) => [doc._id, doc.value]));
}
