import { readFileSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { StorageError } from "../../ports/storage.ts";
import { applicationId, logDamage, metaDamage, pragma, schemaVersion } from "./database.ts";
import { isBusy, storageErrorOf } from "./failures.ts";
import { readMeta, type Meta } from "./meta.ts";
import { generationOf, type Copy } from "./merge.ts";
import { rowsInPages } from "./raw-rows.ts";
import { nameOf, rowOf, type RawRow, type Row } from "./rows.ts";
import { readWal, walOf } from "./wal.ts";

/** A store as it lies on the disk, whatever state it is in. */
export type Inspection = Copy & {
  readonly path: string;
  readonly isPresent: boolean;
  /** What is wrong with it, in words; empty when it is whole. */
  readonly findings: readonly string[];
  /** Names of rows that are there but cannot be trusted or read, as far as they can be told. */
  readonly damaged: readonly string[];
  readonly meta: Partial<Meta>;
  readonly fileBytes: number;
  /** Until then no agent can open the store. */
  readonly release: () => void;
};

export type InspectOptions = {
  /** A file that no program writes and that has no log: it is read without leaving a trace beside it. */
  readonly isAlone?: boolean;
};

/**
 * Reads everything that is whole and changes nothing. Rows that SQLite does not find any more are taken
 * from the pages, each proved by its checksum; of several versions the youngest counts.
 *
 * Throws a `StorageError` when the store is in use, newer than we are, or its file cannot be read at all.
 */
export function inspectStore(path: string, { isAlone = false }: InspectOptions = {}): Inspection {
  // An opening that was killed at its very start leaves an empty file.
  if (sizeOf(path) === 0) return absent(path);
  const findings: string[] = [];
  let release = (): void => {};
  try {
    const bySql = readBySql(path, isAlone, findings);
    ({ release } = bySql);
    const log = isAlone ? { pages: new Map<number, Buffer>(), damaged: false } : readWal(path);
    if (log.damaged) findings.push(logDamage);
    const whole = findings.length === 0;
    const rows = new Map(bySql.rows.map((row) => [row.slot, row]));
    if (!whole) {
      const pages = readFileSync(path);
      bySql.lockAgain();
      for (const raw of rowsInPages(pages, log.pages)) {
        const row = rowOf(raw);
        const held = row === undefined ? undefined : rows.get(row.slot);
        if (row !== undefined && (held === undefined || row.generation > held.generation))
          rows.set(row.slot, row);
      }
    }
    const salvaged = [...rows.values()];
    return {
      path,
      isPresent: true,
      whole,
      findings,
      rows: salvaged,
      damaged: [...bySql.named].filter((name) => !rows.has(name)).sort(),
      meta: bySql.meta,
      generation: generationOf(salvaged, bySql.meta.generation),
      fileBytes: sizeOf(path) + (isAlone ? 0 : sizeOf(walOf(path))),
      release,
    };
  } catch (error) {
    release();
    throw storageErrorOf(error, path);
  }
}

type BySql = {
  readonly rows: readonly Row[];
  /** Every slot that the table or its index names. */
  readonly named: ReadonlySet<string>;
  readonly meta: Partial<Meta>;
  readonly release: () => void;
  /** Closing the file, read by other means, dropped the process's locks on it (fcntl_locking(2)). */
  readonly lockAgain: () => void;
};

/** As far as SQLite gets; every obstacle becomes a finding. */
function readBySql(path: string, isAlone: boolean, findings: string[]): BySql {
  const rows = new Map<string, Row>();
  const named = new Set<string>();
  let meta: Partial<Meta> = {};
  let isNew = false;
  let mismatches = 0;
  const url = pathToFileURL(path);
  if (isAlone) url.searchParams.set("immutable", "1");
  const database = new DatabaseSync(url, { readOnly: true });
  const release = (): void => {
    if (database.isOpen) database.close();
  };
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      if (error instanceof StorageError || isBusy(error)) {
        release();
        throw error;
      }
      const text = error instanceof Error ? error.message : String(error);
      if (!findings.includes(text)) findings.push(text);
    }
  };
  const lock = (): void => {
    database.exec("BEGIN");
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
  };
  const lockAgain = (): void =>
    attempt(() => {
      if (database.isTransaction) database.exec("ROLLBACK");
      lock();
    });
  attempt(lock);
  attempt(() => {
    const version = pragma(database, "user_version");
    if (pragma(database, "application_id") === applicationId && version > schemaVersion) {
      throw new StorageError({ type: "newer", path, version, ours: schemaVersion });
    }
    const tables = database.prepare("SELECT name FROM sqlite_schema").all();
    isNew = version === 0 && pragma(database, "application_id") === 0 && tables.length === 0;
    if (!isNew && (pragma(database, "application_id") !== applicationId || version === 0)) {
      findings.push("this is not a store of Starlight");
    }
  });
  attempt(() => {
    for (const row of database.prepare("PRAGMA integrity_check(20)").all()) {
      const [finding] = Object.values(row);
      if (finding !== "ok") findings.push(String(finding).trim());
    }
  });
  if (isNew) return { rows: [], named, meta, release, lockAgain };
  attempt(() => {
    const hasGeneration = database
      .prepare("PRAGMA table_info(slots)")
      .all()
      .some(({ name }) => name === "generation");
    if (hasGeneration) {
      meta = readMeta(database);
      if (meta.lineage === undefined || meta.generation === undefined) findings.push(metaDamage);
    }
    const columns = `slot, bytes, checksum, ${hasGeneration ? "generation" : "0 AS generation"}`;
    const statement = database.prepare(`SELECT ${columns} FROM slots NOT INDEXED`);
    statement.setReadBigInts(true);
    for (const raw of statement.iterate() as Iterable<RawRow>) {
      const row = rowOf(raw);
      named.add(row?.slot ?? nameOf(raw));
      if (row === undefined) mismatches++;
      else if ((rows.get(row.slot)?.generation ?? -1) < row.generation) rows.set(row.slot, row);
    }
  });
  attempt(() => {
    // The index alone holds every name, also those of rows that are lost.
    for (const raw of database.prepare("SELECT slot FROM slots ORDER BY slot").iterate())
      named.add(nameOf(raw));
  });
  if (mismatches > 0) findings.push(`rows that do not match their checksums: ${mismatches}`);
  return { rows: [...rows.values()], named, meta, release, lockAgain };
}

function absent(path: string): Inspection {
  return {
    path,
    isPresent: false,
    whole: true,
    findings: [],
    rows: [],
    damaged: [],
    meta: {},
    generation: 0,
    fileBytes: 0,
    release: () => {},
  };
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
