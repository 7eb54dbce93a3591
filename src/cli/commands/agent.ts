import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runAgent } from "../../app/run-agent.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  { supervise, ...flags }: { readonly [name: string]: unknown },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  if (supervise === true) return becomeSupervisor();
  // Small boxes: a young generation of 1 MB keeps an idle agent several megabytes smaller.
  setFlagsFromString("--max-semi-space-size=1");
  process.exitCode = await runAgent({ directory: data, flags, env: process.env });
}

const supervisor = fileURLToPath(new URL("../../../bin/supervise.sh", import.meta.url));

/** The same process becomes a small shell that runs this command without `--supervise`, again and again. */
function becomeSupervisor(): void {
  const again = process.argv.slice(1).filter((word) => word !== "--supervise");
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  process.execve?.("/bin/sh", ["sh", supervisor, process.execPath, ...process.execArgv, ...again], env);
}
