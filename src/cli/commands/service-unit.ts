import { print } from "../output.ts";
import { systemdUnit } from "../systemd-unit.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(_options: object, _args: string[], { data }: GlobalOptions): Promise<void> {
  print(systemdUnit(data).trimEnd());
  await Promise.resolve();
}
