import { connect } from "../client.ts";
import { resourcesNamed, splitReference } from "../kinds.ts";
import { age, formatOf, print, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Slot = {
  readonly slot: string;
  readonly heldBy: readonly { pod: string; node: string; note: string }[];
  readonly ranking: readonly { node: string; score: number; note: string }[];
  readonly excluded: readonly { node: string; filter: string; detail: string }[];
};

type NodeAnswer = {
  readonly name: string;
  readonly seenBy: string;
  readonly verdict: string;
  readonly verdictForMs: number;
  readonly lostBySite: boolean;
  readonly observations: readonly { by: string; what: string; ageMs: number }[];
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
  const answer = JSON.parse(text) as Partial<NodeAnswer> & {
    seenBy?: string;
    slots?: readonly Slot[];
    name: string;
  };
  if (await printValue(answer, formatOf(options.output))) return;
  if (answer.slots === undefined) {
    printNode(answer);
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

function printNode(answer: Partial<NodeAnswer> & { readonly name: string }): void {
  const { name, seenBy = "", verdict = "unknown", verdictForMs = 0, observations = [] } = answer;
  print(`${name} has been ${verdict} to ${seenBy} for ${age(verdictForMs)}:`);
  const rows = observations.map(({ by, what, ageMs }) => [`${age(ageMs)} ago`, by, what]);
  print(table(["When", "Observer", "What"], rows));
  if (answer.lostBySite === true)
    print("most of its site is in view and nobody there has a link to it: it is off, or cut off alone");
}
