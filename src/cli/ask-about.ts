import { connect, type ConnectOptions } from "./client.ts";
import { objectNamed } from "./kinds.ts";

/** What the node answers at `/starlight/v1/TOPIC` about the one object that the words name. */
export async function askAbout(
  topic: "history" | "timeline" | "why" | "why-not",
  words: readonly string[],
  namespace: string,
  options: ConnectOptions,
  more: { readonly [parameter: string]: string } = {},
): Promise<unknown> {
  const { resource, name } = objectNamed(words);
  const { group, kind } = resource;
  const query = new URLSearchParams({ group, kind, namespace, name, ...more });
  const client = await connect(options);
  const { text } = await client.call("GET", `/starlight/v1/${topic}?${query.toString()}`);
  return JSON.parse(text);
}
