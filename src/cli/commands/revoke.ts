import { connect } from "../client.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly reason: string },
  [node = ""]: string[],
  globals: GlobalOptions,
): Promise<void> {
  const client = await connect(globals);
  await client.call("POST", "/starlight/v1/revocations", { node, reason: options.reason });
  print(`${node} is no longer a member; every node that hears of it closes its links to it`);
}
