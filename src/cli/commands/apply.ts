import { connect } from "../client.ts";
import { readManifests } from "../manifests.ts";
import { formatOf, print, printValue } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly filename: string[];
  readonly recursive?: true;
  readonly force?: true;
  readonly dryRun?: true;
  readonly manager: string;
  readonly output?: string;
};

type Answer = {
  readonly results: readonly {
    kind: string;
    group: string;
    namespace: string;
    name: string;
    result: string;
  }[];
  readonly durability: { readonly site: { readonly have: number; readonly of: number } };
};

export async function action(options: Options, _args: string[], globals: GlobalOptions): Promise<void> {
  const manifests = await readManifests(options.filename, options.recursive === true);
  const client = await connect(globals);
  const { text } = await client.call("POST", "/starlight/v1/apply", {
    objects: manifests.map(({ object }) => object),
    manager: options.manager,
    force: options.force === true,
    dryRun: options.dryRun === true,
  });
  const answer = JSON.parse(text) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  const suffix = options.dryRun === true ? " (dry run)" : "";
  for (const { kind, group, name, result } of answer.results) {
    print(`${kind.toLowerCase()}${group === "" ? "" : `.${group}`}/${name} ${result}${suffix}`);
  }
  const { have, of } = answer.durability.site;
  if (options.dryRun !== true)
    print(`stored on this node; of the site's ${of} nodes ${have} confirmed so far`);
}
