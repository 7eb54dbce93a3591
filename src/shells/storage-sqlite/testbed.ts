import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { openSqliteStorage } from "./sqlite-storage.ts";

/** What the tests of this folder share. */

export type Folder = {
  readonly folder: string;
  readonly path: string;
  readonly mirror: string;
  readonly remove: () => void;
};

export function makeFolder(): Folder {
  const folder = mkdtempSync(join(tmpdir(), "starlight-storage-"));
  return {
    folder,
    path: join(folder, "state.db"),
    mirror: join(folder, "mirror.db"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export type Contents = { readonly [slot: string]: string };

export function contentsOf(rows: readonly { slot: string; bytes: Uint8Array }[]): Contents {
  const text = (bytes: Uint8Array): string => {
    const whole = Buffer.from(bytes).toString("latin1");
    return whole.length <= 40 ? whole : `${whole.slice(0, 20)}... ${whole.length} bytes, ${crc32(bytes)}`;
  };
  return Object.fromEntries(
    rows.map(({ slot, bytes }): [string, string] => [slot, text(bytes)]).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** A store of a few hundred rows of all sizes, written, changed and deleted in 40 commits. */
export async function fill(path: string, mirror?: string): Promise<Contents> {
  const storage = openSqliteStorage(path, { mirror });
  for (let turn = 0; turn < 40; turn++) {
    await storage.write(
      Array.from({ length: 12 }, (_, at) => {
        const number = (turn * 7 + at * 13) % 300;
        const bytes = Buffer.alloc(
          40 + ((number * 37) % 900) + (number % 50 === 0 ? 9000 : 0),
          number + turn,
        );
        return { slot: `slot/${number}`, bytes: turn % 9 === 8 && at < 4 ? undefined : bytes };
      }),
    );
  }
  const contents = contentsOf([...storage.load()]);
  await storage.close();
  return contents;
}

export async function contentsAt(path: string, mirror?: string): Promise<Contents> {
  const storage = openSqliteStorage(path, { mirror });
  try {
    return contentsOf([...storage.load()]);
  } finally {
    await storage.close();
  }
}

/**
 * Writes for ever, one slot a call: `at % 50` with the number `at`, and says each number that was
 * acknowledged.
 */
export function spawnMirroredWriter(path: string, mirror: string, from: number): ChildProcess {
  const program = `
    import { crc32 } from "node:zlib";
import { openSqliteStorage } from ${JSON.stringify(import.meta.resolve("./sqlite-storage.ts"))};
    import { writeSync } from "node:fs";
    const [path, mirror, from] = process.argv.slice(1);
    const storage = openSqliteStorage(path, { mirror });
    for (let at = Number(from); ; at++) {
      await storage.write([{ slot: "s" + (at % 50), bytes: Buffer.alloc(20 + (at % 40) * 50, at + " ") }]);
      writeSync(1, at + "\\n");
    }`;
  return spawn(process.execPath, ["--input-type=module", "-e", program, path, mirror, String(from)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}
