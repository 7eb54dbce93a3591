import { existsSync } from "node:fs";
import { findAgent } from "../../app/agent-file.ts";
import { issueUser } from "../../app/issue-user.ts";
import { writeDurably } from "../../shells/identity-file/durable-files.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { CommandError } from "../command-error.ts";
import { serverIn } from "../client.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly user: string;
  readonly group: readonly string[];
  readonly days: string;
  readonly out?: string;
  readonly renew?: true;
};

const daysMax = 3_650;

/** A new client certificate, made on an enroller; the keys are there whether or not its agent runs. */
export async function action(options: Options, _args: string[], globals: GlobalOptions): Promise<void> {
  const days = Number(options.days);
  if (!Number.isInteger(days) || days < 1 || days > daysMax) {
    throw new CommandError("usage", `--days ${options.days}: give a whole number from 1 to ${daysMax}`);
  }
  const own = layoutOf(globals.data).kubeconfig;
  if (options.renew === true && options.out !== undefined) {
    throw new CommandError("usage", "give --out or --renew, which writes to the data folder, not both");
  }
  const text = await issueUser({
    directory: globals.data,
    name: options.user,
    groups: options.group,
    server: await serverFor(globals, own),
    days,
    now: Date.now(),
  });
  const target = options.renew === true ? own : options.out;
  if (target === undefined) return print(text.trimEnd());
  writeDurably(target, text);
  print(`${target}: ${options.user} (${options.group.join(", ")}), good for ${days} days`);
}

/** Where users will find the mesh: as told, as the first kubeconfig says, or here. */
async function serverFor({ server, data }: GlobalOptions, own: string): Promise<string> {
  const found = server ?? (existsSync(own) ? await serverIn(own) : findAgent(data)?.local);
  if (found !== undefined) return found;
  throw new CommandError("usage", "which node will they talk to? Give --server HOST:PORT");
}
