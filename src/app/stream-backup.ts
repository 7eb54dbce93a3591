import { createReadStream, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { HttpResponse } from "../ports/http.ts";
import { makeDirectory } from "../shells/identity-file/durable-files.ts";
import type { SqliteStorage } from "../shells/storage-sqlite/sqlite-storage.ts";

/** Sends a backup of the running node's records; false when another one is under way. */
export type StreamBackup = (response: HttpResponse) => Promise<boolean>;

const unfinished = ".part";

/**
 * The copy is made below the data folder, sent, and removed. One at a time: each takes as much room as the
 * records do. Copies of agents that were killed meanwhile are removed first.
 */
export function createStreamBackup(folder: string, storage: SqliteStorage): StreamBackup {
  let isBusy = false;
  const send = async (response: HttpResponse): Promise<void> => {
    makeDirectory(folder);
    for (const name of readdirSync(folder)) {
      if (name.endsWith(unfinished)) rmSync(join(folder, name), { force: true });
    }
    const copy = join(folder, `state.db${unfinished}`);
    try {
      await storage.backup(copy);
      const type = "application/vnd.sqlite3";
      response.writeHead(200, { "content-type": type, "content-length": statSync(copy).size });
      // A client that goes away is no failure of ours; it sees by the length that it has not got all.
      await pipeline(createReadStream(copy), response).catch(() => response.destroy());
    } finally {
      rmSync(copy, { force: true });
    }
  };
  return async (response) => {
    if (isBusy) return false;
    isBusy = true;
    try {
      await send(response);
      return true;
    } finally {
      isBusy = false;
    }
  };
}
