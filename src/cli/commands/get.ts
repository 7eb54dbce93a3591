import type { JsonObject } from "../../core/kernel/json.ts";
import type { Resource } from "../../api/resources.ts";
import { connect, type Client } from "../client.ts";
import { pathOf, resourcesNamed, splitReference } from "../kinds.ts";
import { formatOf, print, printValue, table, type Format } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly allNamespaces?: true;
  readonly namespace: string;
  readonly selector?: string;
  readonly watch?: true;
  readonly output?: string;
};

type Table = {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
  readonly rows: readonly {
    readonly cells: readonly unknown[];
    readonly object?: { metadata?: { namespace?: string; name?: string } };
  }[];
};

const tableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

export async function action(options: Options, args: string[], globals: GlobalOptions): Promise<void> {
  const format = formatOf(options.output, ["json", "yaml", "wide", "name"]);
  const client = await connect(globals);
  const [kinds = "", ...names] = args;
  const { kind, name } = splitReference([kinds]);
  const wantedNames = name === "" ? names : [name];
  const found = resourcesNamed(kind);
  const tables = format === "table" || format === "wide";
  const objects: JsonObject[] = [];
  for (const [at, resource] of found.entries()) {
    const namespace = options.allNamespaces === true ? undefined : options.namespace;
    const query =
      options.selector === undefined ? "" : `?labelSelector=${encodeURIComponent(options.selector)}`;
    for (const wanted of wantedNames.length === 0 ? [""] : wantedNames) {
      const path = `${pathOf(resource, namespace, wanted)}${query}`;
      const { text } = await client.call("GET", path, undefined, tables ? { accept: tableAccept } : {});
      if (tables) printTable(JSON.parse(text) as Table, resource, options, format, found.length > 1, at);
      else objects.push(...itemsOf(JSON.parse(text) as JsonObject, resource));
    }
    if (options.watch === true) await watch(client, pathOf(resource, namespace), resource, options, format);
  }
  if (tables) return;
  if (format === "name") {
    for (const object of objects)
      print(`${String(object["kind"]).toLowerCase()}/${(object["metadata"] as { name: string }).name}`);
    return;
  }
  const single =
    objects.length === 1 && wantedNames.length === 1
      ? objects[0]
      : { kind: "List", apiVersion: "v1", items: objects };
  await printValue(single, format);
}

function itemsOf(answer: JsonObject, resource: Resource): JsonObject[] {
  const { items } = answer;
  if (!Array.isArray(items)) return [answer];
  const apiVersion = resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
  return (items as readonly JsonObject[]).map((item) => ({ apiVersion, kind: resource.kind, ...item }));
}

function printTable(
  { columnDefinitions, rows }: Table,
  resource: Resource,
  options: Options,
  format: Format,
  several: boolean,
  at: number,
): void {
  if (rows.length === 0) {
    if (!several) process.stderr.write(`no ${resource.plural} found\n`);
    return;
  }
  const shown = columnDefinitions.map(({ priority }) => priority === 0 || format === "wide");
  const pick = <T>(cells: readonly T[]): T[] => cells.filter((_, column) => shown[column] === true);
  const spaced = options.allNamespaces === true && resource.namespaced;
  const header = [...(spaced ? ["Namespace"] : []), ...pick(columnDefinitions).map(({ name }) => name)];
  const prefix = several ? `${resource.singular}/` : "";
  const lines = rows.map(({ cells, object }) => {
    const texts = pick(cells).map(String);
    texts[0] = `${prefix}${texts[0] ?? ""}`;
    return [...(spaced ? [object?.metadata?.namespace ?? ""] : []), ...texts];
  });
  if (several && at > 0) print("");
  print(table(header, lines));
}

/** Follows changes, one line each. */
async function watch(
  client: Client,
  path: string,
  resource: Resource,
  options: Options,
  format: Format,
): Promise<void> {
  let rest = "";
  await client.stream(
    `${path}?watch=true`,
    (chunk) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { type, object } = JSON.parse(line) as { type: string; object: Table };
        if (type === "BOOKMARK" || object.rows === undefined) continue;
        const { columnDefinitions, rows } = object;
        const shown = columnDefinitions.map(({ priority }) => priority === 0 || format === "wide");
        for (const { cells, object: about } of rows) {
          const spaced =
            options.allNamespaces === true && resource.namespaced ? [about?.metadata?.namespace ?? ""] : [];
          const texts = cells.filter((_, at) => shown[at] === true).map(String);
          print([type.padEnd(8), ...spaced, ...texts].join("   "));
        }
      }
    },
    { accept: tableAccept },
  );
}
