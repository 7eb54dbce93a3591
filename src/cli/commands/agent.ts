import { setFlagsFromString } from "node:v8";
import { runAgent } from "../../app/run-agent.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  flags: { readonly [name: string]: unknown },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  // Small boxes: a young generation of 1 MB keeps an idle agent several megabytes smaller.
  setFlagsFromString("--max-semi-space-size=1");
  process.exitCode = await runAgent({ directory: data, flags, env: process.env });
}
