import { CommandError } from "../command-error.ts";
import { connect } from "../client.ts";
import { objectNamed } from "../kinds.ts";
import { formatOf, print, printValue } from "../output.ts";
import { by, changeText, objectName, type Authorship, type ChangedField } from "../said.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly field?: string;
  readonly to?: string;
  readonly namespace: string;
  readonly dryRun?: true;
  readonly output?: string;
};

type Answer = {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly undid: Authorship;
  readonly cameBack: boolean;
  readonly fields: readonly ChangedField[];
};

export async function action(options: Options, args: string[], globals: GlobalOptions): Promise<void> {
  const { resource, name } = objectNamed(args);
  const { field, to, namespace } = options;
  if (to !== undefined && !/^\d{1,16}$/.test(to)) {
    throw new CommandError(
      "usage",
      `--to ${to}: give a version as starlight history prints it, a whole number`,
    );
  }
  const client = await connect(globals);
  const { text } = await client.call("POST", "/starlight/v1/undo", {
    group: resource.group,
    kind: resource.kind,
    namespace,
    name,
    ...(field === undefined ? {} : { field }),
    ...(to === undefined ? {} : { to: Number(to) }),
    dryRun: options.dryRun === true,
  });
  const answer = JSON.parse(text) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  const object = objectName(answer.kind, answer.name, answer.namespace);
  const suffix = options.dryRun === true ? " (dry run)" : "";
  const what = answer.cameBack ? "the deletion" : to === undefined ? "the write" : "what came later, last";
  print(`${object}: undid ${what} ${by(answer.undid)}${suffix}`);
  if (answer.cameBack) print("  it is back as it was");
  for (const changed of answer.fields) print(`  ${changeText(changed)}`);
}
