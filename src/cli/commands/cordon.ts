import { connect, type Client } from "../client.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

/** `cordon` and `uncordon`: whether a node takes new pods. */
export const cordonAs =
  (unschedulable: boolean) =>
  async (_options: object, [node = ""]: string[], globals: GlobalOptions): Promise<void> => {
    await setUnschedulable(await connect(globals), node, unschedulable);
    print(`node/${node} ${unschedulable ? "cordoned" : "uncordoned"}`);
  };

export async function setUnschedulable(client: Client, node: string, unschedulable: boolean): Promise<void> {
  const path = `/api/v1/nodes/${encodeURIComponent(node)}?fieldManager=starlight`;
  const patch = { spec: { unschedulable: unschedulable ? true : null } };
  await client.call("PATCH", path, patch, { contentType: "application/merge-patch+json" });
}
