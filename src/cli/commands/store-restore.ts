import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { AppError } from "../../app/app-error.ts";
import { exitCodes } from "../../app/exit-codes.ts";
import { StorageError } from "../../ports/storage.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { restoreStore } from "../../shells/storage-sqlite/maintenance.ts";
import { CommandError } from "../command-error.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  { force }: { readonly force?: true },
  [name = ""]: string[],
  { data }: GlobalOptions,
): Promise<void> {
  loadIdentity(data);
  const file = resolve(name);
  const { database } = layoutOf(data);
  if (existsSync(database) && force !== true) {
    throw new CommandError(
      "usage",
      `${database} is there: give --force to replace it (it is kept beside the new one)`,
    );
  }
  try {
    const { rows, kept } = restoreStore(database, file, Date.now());
    print(`${database} holds the ${rows} rows of ${file}`);
    if (kept !== undefined) print(`the old file is ${kept}`);
  } catch (error) {
    throw isDamagedBackup(error, file) ? refusal(error.failure.detail, file) : error;
  }
  await Promise.resolve();
}

type Damaged = StorageError & { readonly failure: { readonly detail: string } };

const isDamagedBackup = (error: unknown, file: string): error is Damaged =>
  error instanceof StorageError && error.failure.type === "corrupt" && error.failure.path === file;

const refusal = (detail: string, file: string): AppError =>
  new AppError({
    exitCode: exitCodes.storageCorrupt,
    what: `the backup ${file} is damaged: ${detail}`,
    kept: "Nothing was changed.",
    fix: "Take another backup; without one, start the agent: peers give back what they know.",
  });
