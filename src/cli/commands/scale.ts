import { CommandError } from "../command-error.ts";
import { managerIn } from "../../core/intents/manager.ts";
import { classFlag } from "../manager-class.ts";
import { connect } from "../client.ts";
import type { Durability } from "../../api/durability.ts";
import { tellDurability, waitOf, type WaitFlags } from "../durability.ts";
import { objectNamed, pathOf } from "../kinds.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly replicas: string; readonly class: string; readonly namespace: string } & WaitFlags,
  args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const wait = waitOf(options);
  const replicas = Number(options.replicas);
  if (!Number.isInteger(replicas) || replicas < 0) {
    throw new CommandError("usage", `--replicas ${options.replicas}: use a whole number from 0`);
  }
  const { resource, name } = objectNamed(args);
  if (resource.kind !== "Deployment" && resource.kind !== "StatefulSet")
    throw new CommandError("usage", `${resource.plural} cannot be scaled; deployments and statefulsets can`);
  const client = await connect(globals);
  const scale = `${pathOf(resource, options.namespace, name)}/scale`;
  const manager = encodeURIComponent(managerIn(classFlag(options.class), "starlight"));
  const path = `${scale}?fieldManager=${manager}&durability=body&${wait.query}`;
  const { timeoutMs } = wait;
  const type = { contentType: "application/merge-patch+json", timeoutMs };
  const { text } = await client.call("PATCH", path, { spec: { replicas } }, type);
  print(`${resource.kind.toLowerCase()}/${name} scaled to ${replicas}`);
  tellDurability((JSON.parse(text) as { readonly durability?: Durability }).durability, wait);
}
