import { askAbout } from "../ask-about.ts";
import { formatOf, print, printable, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Answer = {
  readonly name: string;
  readonly entries: readonly { at: number; node: string; level: string; reason: string; message: string }[];
  readonly silent: readonly string[];
};

/** What happened to a workload, on all nodes in view, oldest first. */
export async function action(
  options: { readonly namespace: string; readonly output?: string },
  args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const answer = (await askAbout("timeline", args, options.namespace, globals)) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  for (const { at, node, reason, message } of answer.entries)
    print(`${new Date(at).toISOString()}  ${node}  ${reason}  ${printable(message)}`);
  if (answer.entries.length === 0) print(`nobody in view remembers anything of ${answer.name}`);
  for (const line of answer.silent) print(`(not heard: ${line})`);
}
