import { storeFiles } from "../../app/store-files.ts";
import { repairStore } from "../../shells/storage-sqlite/maintenance.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";
import { listed } from "./store-check.ts";

export async function action(
  options: { readonly output?: string; readonly mirrorPath?: string },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  const format = formatOf(options.output);
  const { database, mirror } = await storeFiles({
    directory: data,
    flags: { mirrorPath: options.mirrorPath },
    env: process.env,
  });
  const repair = repairStore(database, mirror, Date.now());
  if (await printValue({ path: database, ...repair }, format)) return;
  const { isRepaired, rows, rowsFromMirror, lost, kept, findings, isMirrorOlder } = repair;
  if (!isRepaired) return print(`${database} is whole, ${rows} rows; nothing was done`);
  const lines = [
    `${database} is whole again, ${rows} rows${mirror === undefined ? "" : `, ${rowsFromMirror} of them from the mirror`}`,
    ...(kept === undefined ? [] : [`the damaged file is ${kept}`]),
    ...listed("found", findings),
    ...listed(
      "lost",
      lost.map((name) => JSON.stringify(name)),
    ),
    ...(isMirrorOlder && rowsFromMirror > 0
      ? ["the mirror was behind: rows from it may be older than the lost ones"]
      : []),
    "what is lost or older, as far as a peer knows it, comes back at the next sync",
  ];
  print(lines.join("\n"));
}
