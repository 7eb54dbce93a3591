import { startAgent } from "../../app/agent.ts";
import { loadConfig } from "../../app/config.ts";
import type { GlobalOptions } from "./index.ts";
import { setFlagsFromString } from "node:v8";

export async function action(
  options: { readonly [name: string]: unknown },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  // Small boxes: a young generation of 1 MB keeps an idle agent several megabytes smaller.
  setFlagsFromString("--max-semi-space-size=1");
  const { config } = await loadConfig(data, flagsOf(options), process.env);
  const agent = await startAgent({ data, config });
  process.stderr.write(`starlight: ${agent.identity.node.name} listens on port ${agent.port}\n`);
  await new Promise<void>((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(130);
      asked = true;
      void agent.stop().then(resolve);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
}

/** Flags of the agent are settings by the same name. */
export function flagsOf(options: { readonly [name: string]: unknown }): { [name: string]: unknown } {
  const { output: _output, ...flags } = options;
  return flags;
}
