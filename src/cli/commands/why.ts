import { connect } from "../client.ts";
import { resourcesNamed, splitReference } from "../kinds.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Slot = {
  readonly slot: string;
  readonly heldBy: readonly { pod: string; node: string; note: string }[];
  readonly ranking: readonly { node: string; score: number; note: string }[];
  readonly excluded: readonly { node: string; filter: string; detail: string }[];
};

export async function action(
  options: { readonly namespace: string; readonly output?: string },
  args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const { kind, name } = splitReference(args);
  const [resource] = resourcesNamed(name === "" ? "deployment" : kind);
  const client = await connect(globals);
  const query = new URLSearchParams({
    kind: resource?.kind ?? "",
    namespace: options.namespace,
    name: name === "" ? kind : name,
  });
  const { text } = await client.call("GET", `/starlight/v1/why?${query.toString()}`);
  const answer = JSON.parse(text) as {
    seenBy?: string;
    slots?: readonly Slot[];
    verdict?: string;
    protocol?: number | null;
    reasons?: readonly string[];
    name: string;
  };
  if (await printValue(answer, formatOf(options.output))) return;
  if (answer.slots === undefined) {
    print(`${answer.name} is held to be ${answer.verdict ?? "unknown"}, because:`);
    for (const reason of answer.reasons ?? []) print(`  ${reason}`);
    if (typeof answer.protocol === "number") print(`our link to it speaks protocol ${answer.protocol}`);
    return;
  }
  print(`as ${answer.seenBy ?? ""} sees it:`);
  for (const { slot, heldBy, ranking, excluded } of answer.slots) {
    print(`\n${slot}`);
    for (const holder of heldBy) print(`  runs on ${holder.node}: ${holder.pod} (${holder.note})`);
    if (heldBy.length === 0) print("  nobody runs it");
    ranking.forEach((entry, at) => print(`  ${at + 1}. ${entry.node}: ${entry.note}`));
    for (const entry of excluded) print(`  not ${entry.node}: ${entry.filter}: ${entry.detail}`);
  }
}
