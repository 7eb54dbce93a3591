import { kindOf } from "../../core/intents/kinds/index.ts";
import { CommandError } from "../command-error.ts";
import { connect } from "../client.ts";
import type { Durability } from "../../api/durability.ts";
import { tellDurability, waitOf, type WaitFlags } from "../durability.ts";
import { pathOf, resourcesNamed, splitReference } from "../kinds.ts";
import { readManifests } from "../manifests.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = { readonly namespace: string; readonly filename?: string[] } & WaitFlags;

export async function action(options: Options, args: string[], globals: GlobalOptions): Promise<void> {
  const wait = waitOf(options);
  const wanted =
    options.filename === undefined ? named(args) : await inFiles(options.filename, options.namespace);
  const client = await connect(globals);
  const known = wanted.flatMap(({ kind, name, namespace = options.namespace }) => {
    const [resource] = resourcesNamed(kind);
    return resource === undefined ? [] : [{ resource, name, namespace }];
  });
  for (const [at, { resource, name, namespace }] of known.entries()) {
    // Whoever holds a node's last write holds those before it: only the last one waits.
    const last = at === known.length - 1;
    const path = `${pathOf(resource, namespace, name)}?durability=body&${last ? wait.query : ""}`;
    const { text } = await client.call("DELETE", path, undefined, { timeoutMs: wait.timeoutMs });
    print(`${resource.singular}/${name} deleted`);
    if (last) tellDurability((JSON.parse(text) as { readonly durability?: Durability }).durability, wait);
  }
}

type Wanted = { readonly kind: string; readonly name: string; readonly namespace?: string };

function named(args: readonly string[]): Wanted[] {
  const { kind, name } = splitReference(args);
  if (kind === "" || name === "")
    throw new CommandError("usage", "say what to delete: starlight delete deployment/shop, or -f FILE");
  const others = args[0]?.includes("/") === true ? args.slice(1) : args.slice(2);
  return [{ kind, name }, ...others.map((other) => ({ kind, name: other }))];
}

async function inFiles(paths: readonly string[], namespace: string): Promise<Wanted[]> {
  const manifests = await readManifests(paths, false);
  return manifests.map(({ object }) => {
    const metadata = object["metadata"] as { name: string; namespace?: string };
    const group = String(object["apiVersion"]).includes("/")
      ? (String(object["apiVersion"]).split("/")[0] ?? "")
      : "";
    const kind = kindOf(group, String(object["kind"]));
    return { kind: kind?.singular ?? "", name: metadata.name, namespace: metadata.namespace ?? namespace };
  });
}
