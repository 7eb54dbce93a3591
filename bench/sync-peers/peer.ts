import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { agreed, compressed, type Item, type Workload } from "./workload.ts";

/** Another way to bring two sides to the same records. */
export type SyncPeer = {
  readonly name: string;
  /** What was found on this machine. Throws `Missing` when it is not installed. */
  readonly version: string;
  run(workload: Workload): Promise<SyncFigures>;
};

/** What one exchange cost, over both sides. */
export type SyncFigures = {
  /** All messages both ways, each through zstd level 3 where that makes it smaller. */
  readonly bytes: number;
  /** The same messages as the library made them, in its own most compact encoding. */
  readonly rawBytes: number;
  readonly messages: number;
  /** Processor time of both sides during the exchange; our zstd is not in it. */
  readonly cpuMs: number;
  /** Resident memory after the exchange of all processes involved; both sides are in it. */
  readonly rssBytes: number;
  /** Both sides hold exactly the records that the workload says they must. */
  readonly agree: boolean;
  /** What a reader must know to compare these figures with others. */
  readonly note?: string;
};

/** A library or program that is not on this machine; the message says how to get it. */
export class Missing extends Error {
  override readonly name = "Missing";
}

/**
 * Loads a package, or its entry `entry`, from the project's node_modules or from the folder that
 * STARLIGHT_PEERS names.
 */
export function installed<T>(
  name: string,
  entry?: string,
): { readonly exports: T; readonly version: string } {
  for (const folder of folders()) {
    const require = createRequire(pathToFileURL(join(folder, "package.json")));
    const manifest = join(folder, "node_modules", name, "package.json");
    if (!existsSync(manifest)) continue;
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string };
    return { exports: require(entry === undefined ? name : `${name}/${entry}`) as T, version };
  }
  throw new Missing(`${name} is not installed: npm install --no-save ${name}`);
}

/** The path of a program in PATH. */
export function program(name: string, debianPackage: string): string {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Missing(`${name} is not in PATH: apt-get install ${debianPackage}`);
  return found;
}

/** Counts what passes between the sides. */
export type Wire = {
  readonly pass: (message: Uint8Array | string) => void;
  readonly totals: () => Pick<SyncFigures, "bytes" | "rawBytes" | "messages">;
};

export function createWire(): Wire {
  const messages: Uint8Array[] = [];
  return {
    pass: (message) => {
      messages.push(typeof message === "string" ? Buffer.from(message) : message);
    },
    totals: () => ({
      bytes: messages.reduce((sum, each) => sum + Math.min(each.length, compressed(each)), 0),
      rawBytes: messages.reduce((sum, each) => sum + each.length, 0),
      messages: messages.length,
    }),
  };
}

/** Processor time of this process while `work` runs, in milliseconds. */
export async function cpuOf(work: () => void | Promise<void>): Promise<number> {
  globalThis.gc?.();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Resident memory of this process once what nobody refers to is gone. */
export function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

/** Whether `held`, the records' values by key, is what both sides must end with. */
export function isAgreed(workload: Workload, held: ReadonlyMap<string, unknown>): boolean {
  const wanted = agreed(workload);
  return (
    held.size === wanted.size &&
    [...wanted].every(([key, { value }]) => isDeepStrictEqual(held.get(key), value))
  );
}

/** Items by their writer. */
export function byAuthor(items: readonly Item[]): Map<number, Item[]> {
  return Map.groupBy(items, ({ author }) => author);
}

function folders(): string[] {
  const root = join(import.meta.dirname, "..", "..");
  const other = process.env["STARLIGHT_PEERS"];
  return other === undefined ? [root] : [root, other];
}
