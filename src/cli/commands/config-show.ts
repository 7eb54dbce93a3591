import { describe, loadConfig, type ConfigName } from "../../app/config.ts";
import { formatOf, print, printValue, table } from "../output.ts";
import { flagsOf } from "./agent.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly output?: string },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  const { config, origins } = await loadConfig(data, flagsOf(options), process.env);
  if (await printValue({ config, origins }, formatOf(options.output))) return;
  const names = Object.keys(config) as ConfigName[];
  print(
    table(
      ["Setting", "Value", "From", "What it is"],
      names.map((name) => [name, JSON.stringify(config[name]), origins[name], describe(name)]),
    ),
  );
}
