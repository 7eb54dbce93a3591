import { connect } from "../client.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly follow?: true;
  readonly container?: string;
  readonly tail?: string;
  readonly namespace: string;
};

export async function action(options: Options, [pod = ""]: string[], globals: GlobalOptions): Promise<void> {
  const client = await connect(globals);
  const query = new URLSearchParams();
  if (options.follow === true) query.set("follow", "true");
  if (options.container !== undefined) query.set("container", options.container);
  if (options.tail !== undefined) query.set("tailLines", options.tail);
  const name = encodeURIComponent(pod.replace(/^pods?\//, ""));
  const path = `/api/v1/namespaces/${encodeURIComponent(options.namespace)}/pods/${name}/log?${query.toString()}`;
  await client.stream(path, (chunk) => process.stdout.write(chunk), { accept: "text/plain" });
}
