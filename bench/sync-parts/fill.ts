import { join } from "node:path";
import { slotOf } from "../../src/core/records/record.ts";
import { storedBytes } from "../../src/core/records/seal.ts";
import { nodeCrypto } from "../../src/shells/crypto-node/node-crypto.ts";
import { openSqliteStorage } from "../../src/shells/storage-sqlite/sqlite-storage.ts";
import { filledStore } from "./store.ts";

/** `fill.ts FOLDER COUNT`: a database with so many of the bench's records. */
const [folder = "", count = "10000"] = process.argv.slice(2);
const storage = openSqliteStorage(join(folder, "state.db"));
const { records } = filledStore(Number(count));
await storage.write(
  records.map((record) => ({ slot: slotOf(record), bytes: storedBytes(record, nodeCrypto) })),
);
await storage.close();
