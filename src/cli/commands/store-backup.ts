import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { findAgent } from "../../app/agent-file.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { backupStore, finishBackup, type Backup } from "../../shells/storage-sqlite/maintenance.ts";
import { connect } from "../client.ts";
import { CommandError } from "../command-error.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = { readonly force?: true; readonly output?: string };

/** From the running agent when there is one, or from the node that is named; else from the file. */
export async function action(options: Options, [name = ""]: string[], globals: GlobalOptions): Promise<void> {
  const format = formatOf(options.output);
  const file = resolve(name);
  if (existsSync(file) && options.force !== true) {
    throw new CommandError("usage", `${file} is there already: choose another name, or give --force`);
  }
  const server = globals.server ?? findAgent(globals.data)?.local;
  const backup =
    server === undefined
      ? backupStore(layoutOf(globals.data).database, file)
      : await backupOfAgent({ ...globals, server }, file);
  if (await printValue({ file, ...backup }, format)) return;
  print(`${file} holds ${backup.rows} rows in ${backup.fileBytes} bytes; it was read back and is whole`);
}

async function backupOfAgent(globals: GlobalOptions, file: string): Promise<Backup> {
  const client = await connect(globals);
  const part = `${file}.part`;
  await client.download("/starlight/v1/backup", part);
  return finishBackup(part, file);
}
