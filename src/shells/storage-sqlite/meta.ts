import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";

/** What a store knows of itself. */
export type Meta = {
  /**
   * Which history the generations belong to. A restored backup and a store made anew begin another, so that
   * a mirror of the old one is not taken for its future.
   */
  readonly lineage: string;
  /** At least the number of the last commit that wrote no row; those that did carry it in their rows. */
  readonly generation: number;
  readonly usage: Usage;
};

/** Bytes written to the device: on this day (UTC), and since the store was made. */
export type Usage = { readonly day: string; readonly today: number; readonly total: number };

export const noUsage: Usage = { day: "", today: 0, total: 0 };

export const newLineage = (): string => randomBytes(8).toString("hex");

export function readMeta(database: DatabaseSync): Partial<Meta> {
  const lineage = readValue(database, "lineage");
  const generation = readValue(database, "generation");
  const usage = readValue(database, "usage") as Usage | undefined;
  return {
    ...(typeof lineage === "string" ? { lineage } : {}),
    ...(typeof generation === "number" ? { generation } : {}),
    ...(usage === undefined ? {} : { usage }),
  };
}

/** Inside the caller's transaction. */
export function writeMeta(database: DatabaseSync, meta: Partial<Meta>): void {
  const put = database.prepare("INSERT OR REPLACE INTO meta (name, value, checksum) VALUES (?, ?, ?)");
  for (const [name, value] of Object.entries(meta)) {
    const text = JSON.stringify(value);
    put.run(name, text, crc32(text, crc32(name)));
  }
}

/** Undefined when it is missing or does not match its checksum. */
function readValue(database: DatabaseSync, name: keyof Meta): unknown {
  const row = database.prepare("SELECT value, checksum FROM meta WHERE name = ?").get(name);
  const text = row?.["value"];
  if (typeof text !== "string" || row?.["checksum"] !== crc32(text, crc32(name))) return undefined;
  return JSON.parse(text) as unknown;
}
