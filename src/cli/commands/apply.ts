import type { Durability } from "../../api/durability.ts";
import { managerIn } from "../../core/intents/manager.ts";
import { classFlag } from "../manager-class.ts";
import { connect } from "../client.ts";
import { markUnreached, tellDurability, waitOf, type WaitFlags } from "../durability.ts";
import { readManifests } from "../manifests.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly filename: string[];
  readonly recursive?: true;
  readonly force?: true;
  readonly dryRun?: true;
  readonly manager: string;
  readonly class: string;
  readonly output?: string;
} & WaitFlags;

type Answer = {
  readonly results: readonly {
    kind: string;
    group: string;
    namespace: string;
    name: string;
    result: string;
  }[];
  /** Not there for a dry run. */
  readonly durability?: Durability;
};

export async function action(options: Options, _args: string[], globals: GlobalOptions): Promise<void> {
  const wait = waitOf(options);
  const manifests = await readManifests(options.filename, options.recursive === true);
  const client = await connect(globals);
  const asked = {
    objects: manifests.map(({ object }) => object),
    manager: managerIn(classFlag(options.class), options.manager),
    force: options.force === true,
    dryRun: options.dryRun === true,
  };
  const { timeoutMs } = wait;
  const { text } = await client.call("POST", `/starlight/v1/apply?${wait.query}`, asked, { timeoutMs });
  const answer = JSON.parse(text) as Answer;
  if (await printValue(answer, formatOf(options.output))) return markUnreached(answer.durability, wait);
  const suffix = options.dryRun === true ? " (dry run)" : "";
  for (const { kind, group, name, result } of answer.results) {
    print(`${kind.toLowerCase()}${group === "" ? "" : `.${group}`}/${name} ${result}${suffix}`);
  }
  tellDurability(answer.durability, wait);
}
