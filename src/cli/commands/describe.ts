import type { JsonObject } from "../../core/kernel/json.ts";
import { connect } from "../client.ts";
import { pathOf, resourcesNamed, splitReference } from "../kinds.ts";
import { print, table } from "../output.ts";
import { CommandError } from "../command-error.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly namespace: string },
  args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const { kind, name } = splitReference(args);
  const [resource] = resourcesNamed(kind);
  if (resource === undefined || name === "")
    throw new CommandError("usage", "say what to describe: starlight describe deployment/shop");
  const client = await connect(globals);
  const { text } = await client.call("GET", pathOf(resource, options.namespace, name));
  const { stringify } = await import("yaml");
  const object = JSON.parse(text) as JsonObject;
  const metadata = Object.fromEntries(
    Object.entries(object["metadata"] as JsonObject).filter(([field]) => field !== "managedFields"),
  );
  print(stringify({ ...object, metadata }));
  const events = await client.call(
    "GET",
    `/api/v1/events?fieldSelector=${encodeURIComponent(`involvedObject.name=${name}`)}`,
  );
  const { items } = JSON.parse(events.text) as {
    items: { lastTimestamp: string; type: string; reason: string; message: string }[];
  };
  if (items.length === 0) return print("no events on this node");
  print(
    table(
      ["When", "Type", "Reason", "Message"],
      items.slice(-20).map((event) => [event.lastTimestamp, event.type, event.reason, event.message]),
    ),
  );
}
