import { writeFileSync } from "node:fs";
import { parseDuration } from "../../core/intents/quantity.ts";
import type { MadeInvite } from "../../app/enrol/invite-book.ts";
import { CommandError } from "../command-error.ts";
import { connect } from "../client.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly site: string;
  readonly region?: string;
  readonly ttl: string;
  readonly uses: string;
  readonly file?: string;
  readonly qr?: boolean;
  readonly output?: string;
};

const durations =
  "use a duration such as 30m or 24h, in h, m, s or ms; days are no unit: 90 days, the most, are 2160h";

export async function action(options: Options, _args: string[], globals: GlobalOptions): Promise<void> {
  const ttlMs = parseDuration(options.ttl);
  if (ttlMs === undefined) throw new CommandError("usage", `--ttl ${options.ttl}: ${durations}`);
  const uses = Number(options.uses);
  if (!Number.isInteger(uses) || uses < 1)
    throw new CommandError("usage", `--uses ${options.uses}: use a whole number from 1`);
  const client = await connect(globals);
  const { site, region } = options;
  const { text } = await client.call("POST", "/starlight/v1/invites", { site, region, ttlMs, uses });
  const answer = JSON.parse(text) as MadeInvite;
  // Standard output is the invite alone, for scripts.
  process.stderr.write(`for site ${answer.site} in region ${answer.region}\n`);
  if (options.file !== undefined) return intoFile(options.file, answer.invite);
  if (await printValue(answer, formatOf(options.output))) return;
  if (options.qr === true) await asPicture(answer.invite);
  print(answer.invite);
  if (process.stdout.isTTY)
    print(`\non the new machine: starlight join '${answer.invite.slice(0, 20)}...' && starlight agent`);
}

/** The secret admits whoever reads it: nobody else on this machine does. */
function intoFile(path: string, invite: string): void {
  try {
    writeFileSync(path, `${invite}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError("failed", `${path} cannot be written, give another name: ${why}`);
  }
  print(`${path} is written; on the new machine: starlight join -f ${path} && starlight agent`);
}

async function asPicture(invite: string): Promise<void> {
  const { onBlack, qrLines } = await import("../qr-code.ts");
  const lines = qrLines(invite);
  const width = lines[0]?.length ?? 0;
  const columns = process.stdout.columns ?? Number.POSITIVE_INFINITY;
  if (width > columns) {
    process.stderr.write(
      `the QR code is ${width} columns wide, the terminal ${columns}: make it wider, or the letters smaller\n`,
    );
    return;
  }
  const colours = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  print(`${(colours ? lines.map(onBlack) : lines).join("\n")}\n`);
}
