import { parseDuration } from "../../core/intents/quantity.ts";
import { CommandError } from "../command-error.ts";
import { connect } from "../client.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly site: string;
  readonly region?: string;
  readonly ttl: string;
  readonly uses: string;
  readonly output?: string;
};

export async function action(options: Options, _args: string[], globals: GlobalOptions): Promise<void> {
  const ttlMs = parseDuration(options.ttl);
  if (ttlMs === undefined)
    throw new CommandError("usage", `--ttl ${options.ttl}: use a duration such as 30m or 24h`);
  const uses = Number(options.uses);
  if (!Number.isInteger(uses) || uses < 1)
    throw new CommandError("usage", `--uses ${options.uses}: use a whole number from 1`);
  const client = await connect(globals);
  const { site, region } = options;
  const { text } = await client.call("POST", "/starlight/v1/invites", { site, region, ttlMs, uses });
  const answer = JSON.parse(text) as { invite: string };
  if (await printValue(answer, formatOf(options.output))) return;
  print(answer.invite);
  if (process.stdout.isTTY)
    print(`\non the new machine: starlight join '${answer.invite.slice(0, 20)}...' && starlight agent`);
}
