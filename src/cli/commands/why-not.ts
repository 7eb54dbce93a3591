import type { NodeOnSlot } from "../../core/placement/contract.ts";
import { askAbout } from "../ask-about.ts";
import { CommandError } from "../command-error.ts";
import { splitReference } from "../kinds.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Answer = {
  readonly seenBy: string;
  readonly node: string;
  readonly kind: string;
  readonly name: string;
  readonly slots: readonly NodeOnSlot[];
};

/** `why-not node/y for deployment/z`; the word `for` may be left out. */
export async function action(
  options: { readonly namespace: string; readonly output?: string },
  args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const [first = "", ...rest] = args.filter((word) => word !== "for");
  const { kind: node, name: named } = splitReference([first]);
  if (rest.length === 0)
    throw new CommandError(
      "usage",
      "say which workload, for example: why-not node/oslo-1 for deployment/shop",
    );
  const whom = { node: named === "" ? node : named };
  const answer = (await askAbout("why-not", rest, options.namespace, globals, whom)) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  print(`${answer.node} for ${answer.kind.toLowerCase()}/${answer.name}, as ${answer.seenBy} sees it:`);
  if (answer.slots.length === 0) print("  the workload wants no slot in view");
  for (const slot of answer.slots) {
    print(
      `\n${slot.slot}${slot.variant === undefined ? "" : ` (variant ${slot.variant})`}: ${outcomeOf(slot)}`,
    );
    for (const { filter, holds, detail } of slot.checks)
      print(`  ${holds ? "ok " : "NO "} ${filter}${detail === "" ? "" : `: ${detail}`}`);
    if (slot.rank !== undefined)
      print(`  rank ${slot.rank} of ${slot.of}, ${slot.points ?? 0} points, score ${slot.score ?? 0}`);
  }
}

function outcomeOf({ holds, heldBy, givenTo, rank, checks }: NodeOnSlot): string {
  if (holds) return "it runs there";
  const failing = checks.find((check) => !check.holds);
  const others = heldBy.length > 0 ? `runs on ${heldBy.join(", ")}` : `goes to ${givenTo ?? "nobody"}`;
  if (failing !== undefined) return `${others}; ${failing.filter} keeps it off`;
  return rank === 1
    ? `${others}; it would be next`
    : `${others}; ${(rank ?? 1) - 1} nodes are ranked before it`;
}
