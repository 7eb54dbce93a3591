import { connect } from "../client.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly reason: string },
  _args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const client = await connect(globals);
  await client.call("POST", "/starlight/v1/leave", { reason: options.reason });
  print(`the node at ${client.server} has left its mesh for good; stop its agent and remove its data folder`);
}
