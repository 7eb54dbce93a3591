import { connect } from "../client.ts";
import { formatOf, print, printValue } from "../output.ts";
import { baseText, by, objectName, said, type Authorship, type Base, type Said } from "../said.ts";
import type { GlobalOptions } from "./index.ts";

type Side = Said & Authorship;
type Conflict = {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly field: string;
  readonly winner: Side;
  readonly losers: readonly Side[];
  readonly base: Base;
  readonly otherSide: string;
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
  for (const { kind, name, namespace, field, winner, losers, base, otherSide } of conflicts) {
    const whole = field === "(object)";
    print(`${objectName(kind, name, namespace)}: ${whole ? "deleted here, edited there" : field}`);
    print(`  1 stands  ${said(winner, whole ? "deleted" : "gone")} ${by(winner)}`);
    losers.forEach((loser, at) =>
      print(`  ${at + 2} kept    ${said(loser, whole ? "deleted" : "gone")} ${by(loser)}`),
    );
    print(`  before    ${baseText(base)}`);
    print(`  to take the other side: ${otherSide}\n`);
  }
}
