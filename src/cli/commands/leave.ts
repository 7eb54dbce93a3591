import { connect } from "../client.ts";
import { print } from "../output.ts";
import { drain, timeoutIn } from "./drain.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly reason: string; readonly timeout: string; readonly now?: boolean },
  _args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const timeoutMs = timeoutIn(options.timeout);
  const client = await connect(globals);
  if (options.now !== true) {
    const { text } = await client.call("GET", "/starlight/v1/status");
    const { speaking } = JSON.parse(text) as { readonly speaking: { readonly node: string } };
    const advice = "it is cordoned, and still a member; leave with --now to end them";
    await drain(client, speaking.node, { force: false, timeoutMs, advice });
  }
  await client.call("POST", "/starlight/v1/leave", { reason: options.reason });
  print(`the node at ${client.server} has left its mesh for good, and ends what it still runs`);
  print("stop its agent and remove its data folder");
}
