import { loadConfig, originText, showConfig } from "../../app/config.ts";
import { formatOf, print, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly output?: string; readonly [name: string]: unknown },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  const { output, ...flags } = options;
  const loaded = await loadConfig({ directory: data, flags, env: process.env });
  const settings = showConfig(loaded);
  if (await printValue(settings, formatOf(output))) return;
  const rows = settings.map(({ key, value, origin, description }) => [
    key,
    JSON.stringify(value),
    typeof origin === "string" ? origin : originText(origin),
    description,
  ]);
  print(table(["Setting", "Value", "From", "What it is"], rows));
}
