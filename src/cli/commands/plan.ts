import type { Forecast } from "../../core/placement/contract.ts";
import { connect } from "../client.ts";
import { CommandError } from "../command-error.ts";
import { readManifests } from "../manifests.ts";
import { formatOf, print, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly filename: string[];
  readonly recursive?: true;
  readonly without?: string;
  readonly cutOff?: string;
  readonly output?: string;
};

type Answer = {
  readonly seenBy: string;
  /** What no slot shows: pods that start later, for one. Agents of earlier builds do not say. */
  readonly notes?: readonly string[];
  readonly views: readonly { readonly as: string; readonly slots: readonly Forecast[] }[];
};

/** Where a file's workloads would run, before anything is applied. */
export async function action(options: Options, _args: string[], globals: GlobalOptions): Promise<void> {
  const { without, cutOff } = options;
  if (without !== undefined && cutOff !== undefined)
    throw new CommandError("usage", "give one of --without and --cut-off");
  const manifests = await readManifests(options.filename, options.recursive === true);
  const client = await connect(globals);
  const { text } = await client.call("POST", "/starlight/v1/plan", {
    objects: manifests.map(({ object }) => object),
    ...(without === undefined ? {} : { without }),
    ...(cutOff === undefined ? {} : { cutOff }),
  });
  const answer = JSON.parse(text) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  for (const { as, slots } of answer.views) {
    if (answer.views.length > 1 || as !== "all") print(`\n${as}, as ${answer.seenBy} would have it:`);
    if (slots.length === 0) {
      print("no pod would start, move or wait");
      continue;
    }
    print(
      table(
        ["WORKLOAD", "SLOT", "OUTCOME", "NODE", "VARIANT", "WHY"],
        slots.map(({ workload, slot, outcome, node, variant, why }) => [
          `${workload.kind.toLowerCase()}/${workload.name}`,
          slot,
          outcome,
          node ?? "-",
          variant ?? "-",
          why,
        ]),
      ),
    );
    const waiting = slots.filter(({ outcome }) => outcome === "waits");
    const reasons = new Set(waiting.map(({ why }) => why));
    const why = reasons.size === 1 ? `: ${[...reasons].join()}` : "";
    if (waiting.length > 0) print(`${waiting.length} of ${slots.length} would wait${why}`);
  }
  for (const note of answer.notes ?? []) print(`\n${note}`);
  print("\nnothing was applied");
}
