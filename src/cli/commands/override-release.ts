import { connect } from "../client.ts";
import { objectNamed } from "../kinds.ts";
import { formatOf, print, printValue } from "../output.ts";
import { changeText, objectName, type ChangedField } from "../said.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly manager?: string;
  readonly class: string;
  readonly namespace: string;
  readonly output?: string;
};

type Answer = {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly released: readonly string[];
  readonly fields: readonly ChangedField[];
};

export async function action(options: Options, args: string[], globals: GlobalOptions): Promise<void> {
  const { resource, name } = objectNamed(args);
  const client = await connect(globals);
  const { text } = await client.call("POST", "/starlight/v1/release", {
    group: resource.group,
    kind: resource.kind,
    namespace: options.namespace,
    name,
    class: options.class,
    ...(options.manager === undefined ? {} : { manager: options.manager }),
  });
  const answer = JSON.parse(text) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  const object = objectName(answer.kind, answer.name, answer.namespace);
  print(`${object}: ${answer.released.join(", ")} released`);
  for (const changed of answer.fields) print(`  ${changeText(changed)}`);
}
