import { CommandError } from "../command-error.ts";
import { connect } from "../client.ts";
import { objectNamed } from "../kinds.ts";
import { formatOf, print, printValue } from "../output.ts";
import { objectName, said, type Said } from "../said.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly take?: string;
  readonly value?: string;
  readonly all?: true;
  readonly namespace?: string;
  readonly dryRun?: true;
  readonly output?: string;
};

type Answer = {
  readonly resolved: readonly (Said & {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly field: string;
  })[];
  readonly left: number;
};

export async function action(options: Options, args: string[], globals: GlobalOptions): Promise<void> {
  const { take, value, all, namespace } = options;
  if ((take === undefined) === (value === undefined)) {
    throw new CommandError("usage", "say either --take winner|loser|NUMBER or --value JSON");
  }
  if (all === true && (take === undefined || args.length > 1)) {
    throw new CommandError("usage", "--all goes with --take winner or --take loser, and without a field");
  }
  if (all !== true && args.length === 0) {
    throw new CommandError("usage", "which one? Give KIND/NAME and FIELD, or --all; see starlight conflicts");
  }
  const [object, field] = args;
  const client = await connect(globals);
  const { text } = await client.call("POST", "/starlight/v1/resolve", {
    ...(object === undefined ? {} : target(object)),
    ...(namespace === undefined ? {} : { namespace }),
    ...(field === undefined ? {} : { field }),
    ...(take === undefined ? { value: parsed(value ?? "") } : { take }),
    all: all === true,
    dryRun: options.dryRun === true,
  });
  const answer = JSON.parse(text) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  const suffix = options.dryRun === true ? " (dry run)" : "";
  for (const { kind, name, namespace: inside, field: path, ...written } of answer.resolved) {
    const whole = path === "(object)";
    const now = whole ? (written.gone === true ? "stays deleted" : "is kept") : `is now ${said(written)}`;
    print(`${objectName(kind, name, inside)}${whole ? "" : `: ${path}`} ${now}${suffix}`);
  }
  if (answer.resolved.length === 0) return print("no conflicts");
  if (options.dryRun === true) return;
  print(`${answer.left === 0 ? "no" : answer.left} ${answer.left === 1 ? "conflict" : "conflicts"} left`);
}

function target(object: string): { readonly group: string; readonly kind: string; readonly name: string } {
  const { resource, name } = objectNamed([object]);
  return { group: resource.group, kind: resource.kind, name };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    const quoted = `'${JSON.stringify(json)}'`;
    throw new CommandError(
      "usage",
      `--value ${json} is not JSON; a text needs its quotes: --value ${quoted}`,
    );
  }
}
