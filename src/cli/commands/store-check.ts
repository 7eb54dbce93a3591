import { exitCodes } from "../../app/exit-codes.ts";
import { storeFiles } from "../../app/store-files.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { inspectStore } from "../../shells/storage-sqlite/inspect-store.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Checked = {
  readonly path: string;
  readonly present: boolean;
  readonly whole: boolean;
  readonly rows: number;
  readonly rowBytes: number;
  readonly fileBytes: number;
  /** Number of the last commit. */
  readonly generation: number;
  readonly findings: readonly string[];
  /** Names of rows that cannot be trusted or read, as far as they can be told. */
  readonly damaged: readonly string[];
};

const shownMax = 20;

export async function action(
  options: { readonly output?: string; readonly mirrorPath?: string },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  const format = formatOf(options.output);
  const files = await storeFiles({
    directory: data,
    flags: { mirrorPath: options.mirrorPath },
    env: process.env,
  });
  const database = check(files.database);
  if (!database.present) loadIdentity(data);
  const mirror = files.mirror === undefined ? undefined : check(files.mirror);
  const whole = database.whole && (mirror?.whole ?? true);
  if (!whole) process.exitCode = exitCodes.storageCorrupt;
  if (await printValue({ whole, database, ...(mirror === undefined ? {} : { mirror }) }, format)) return;
  print(textOf("database", database));
  if (mirror === undefined) return;
  print(textOf("mirror", mirror));
  const behind = database.generation - mirror.generation;
  if (mirror.present && behind > 0) print(`the mirror is ${behind} commits behind`);
  if (mirror.present && behind < 0) print(`the mirror is ${-behind} commits ahead of the database`);
}

function check(path: string): Checked {
  const found = inspectStore(path);
  found.release();
  const { isPresent: present, whole, rows, fileBytes, generation, findings, damaged } = found;
  const rowBytes = rows.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return {
    path,
    present,
    whole,
    rows: rows.length,
    rowBytes,
    fileBytes,
    generation,
    findings,
    damaged,
  };
}

function textOf(what: string, { path, present, whole, rows, rowBytes, fileBytes, ...rest }: Checked): string {
  if (!present) return `${what} ${path}: not there yet`;
  const size = `${rows} rows of ${rowBytes} bytes in a file of ${fileBytes}`;
  if (whole) return `${what} ${path}: whole, ${size}`;
  const { findings, damaged } = rest;
  return [
    `${what} ${path}: DAMAGED; whole are ${size}`,
    ...listed("found", findings),
    ...listed(
      "damaged row",
      damaged.map((name) => JSON.stringify(name)),
    ),
    "`starlight store repair` keeps what is whole",
  ].join("\n");
}

export function listed(word: string, names: readonly string[]): readonly string[] {
  const lines = names.slice(0, shownMax).map((name) => `  ${word}: ${name}`);
  return names.length <= shownMax ? lines : [...lines, `  and ${names.length - shownMax} more (-o json)`];
}
