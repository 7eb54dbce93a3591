// `load-built.mjs FOLDER`: opens the database there, reads every record back into a store with the compiled
// code, as an agent does, and says how long that took and what the process then weighs.
import { join } from "node:path";
import { openStored } from "../../dist/core/records/seal.js";
import { emptyStore, putRecord } from "../../dist/core/records/store.js";
import { nodeCrypto } from "../../dist/shells/crypto-node/node-crypto.js";
import { openSqliteStorage } from "../../dist/shells/storage-sqlite/sqlite-storage.js";

const from = performance.now();
const storage = openSqliteStorage(join(process.argv[2] ?? "", "state.db"));
const store = emptyStore();
for (const { bytes } of storage.load()) {
  const opened = openStored(bytes, nodeCrypto, store.seals);
  if (opened.ok) putRecord(store, opened.value);
}
const ms = performance.now() - from;
// An agent does the same once it has started.
globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
const rssBytes = process.memoryUsage.rss();
await storage.close();
process.stdout.write(JSON.stringify({ ms, rssBytes, records: store.bySlot.size }));
