import { connect } from "../client.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Side = {
  readonly value: unknown;
  readonly node: string;
  readonly manager: string;
  readonly user: string;
  readonly at: string;
};
type Conflict = {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly field: string;
  readonly winner: Side;
  readonly losers: readonly Side[];
  readonly undo: string;
};

export async function action(
  options: { readonly output?: string },
  _args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const client = await connect(globals);
  const { text } = await client.call("GET", "/starlight/v1/conflicts");
  const { conflicts } = JSON.parse(text) as { conflicts: readonly Conflict[] };
  if (await printValue({ conflicts }, formatOf(options.output))) return;
  if (conflicts.length === 0) return print("no conflicts");
  for (const conflict of conflicts) {
    print(`${conflict.kind.toLowerCase()}/${conflict.name} (${conflict.namespace}): ${conflict.field}`);
    print(`  stands  ${sideText(conflict.winner)}`);
    for (const loser of conflict.losers) print(`  kept    ${sideText(loser)}`);
    print(`  ${conflict.undo}\n`);
  }
}

const sideText = ({ value, node, manager, user, at }: Side): string =>
  `${JSON.stringify(value)} by ${user} (${manager}) at ${node}, ${at}`;
