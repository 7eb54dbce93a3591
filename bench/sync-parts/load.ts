import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { slotOf } from "../../src/core/records/record.ts";
import { openStored, storedBytes } from "../../src/core/records/seal.ts";
import { emptyStore, putRecord } from "../../src/core/records/store.ts";
import { nodeCrypto } from "../../src/shells/crypto-node/node-crypto.ts";
import { openSqliteStorage } from "../../src/shells/storage-sqlite/sqlite-storage.ts";
import { filledStore } from "./store.ts";

/**
 * `load.ts write|read FOLDER COUNT`: fills a database, or opens it, reads every record back into a store
 * and says how long that took and what the process then weighs. Reading is a process of its own.
 */
const [mode = "", folder = mkdtempSync(join(tmpdir(), "starlight-load-")), count = "10000"] =
  process.argv.slice(2);
const path = join(folder, "state.db");
if (mode === "write") {
  const storage = openSqliteStorage(path);
  const { records } = filledStore(Number(count));
  await storage.write(
    records.map((record) => ({ slot: slotOf(record), bytes: storedBytes(record, nodeCrypto) })),
  );
  await storage.close();
} else if (mode === "read") {
  const from = performance.now();
  const storage = openSqliteStorage(path);
  const store = emptyStore();
  for (const { bytes } of storage.load()) {
    const opened = openStored(bytes, nodeCrypto, store.seals);
    if (opened.ok) putRecord(store, opened.value);
  }
  const ms = performance.now() - from;
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  const rssBytes = process.memoryUsage.rss();
  await storage.close();
  process.stdout.write(JSON.stringify({ ms, rssBytes, records: store.bySlot.size }));
} else rmSync(folder, { recursive: true, force: true });
