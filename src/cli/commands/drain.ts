import { parseDuration } from "../../core/intents/quantity.ts";
import { exitCodes } from "../../app/exit-codes.ts";
import { connect, type Client } from "../client.ts";
import { CommandError } from "../command-error.ts";
import { print } from "../output.ts";
import { setUnschedulable } from "./cordon.ts";
import type { GlobalOptions } from "./index.ts";

type Pod = {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly ownerReferences?: readonly { readonly kind: string }[];
  };
  readonly status: { readonly phase: string };
};

const lookEveryMs = 500;

export async function action(
  options: { readonly force?: boolean; readonly timeout: string },
  [node = ""]: string[],
  globals: GlobalOptions,
): Promise<void> {
  const timeoutMs = timeoutIn(options.timeout);
  const advice = "wait longer with --timeout, or end them with --force";
  await drain(await connect(globals), node, { force: options.force === true, timeoutMs, advice });
}

export function timeoutIn(text: string): number {
  const timeoutMs = parseDuration(text);
  if (timeoutMs === undefined)
    throw new CommandError("usage", `--timeout ${text}: use a duration such as 30s or 5m`);
  return timeoutMs;
}

/** Cordons a node and moves its pods elsewhere; those of DaemonSets stay, as they are of the node. */
export async function drain(
  client: Client,
  node: string,
  options: { readonly force: boolean; readonly timeoutMs: number; readonly advice: string },
): Promise<void> {
  await setUnschedulable(client, node, true);
  print(`node/${node} cordoned`);
  const deadline = performance.now() + options.timeoutMs;
  const asked = new Set<string>();
  const said = new Map<string, string>();
  for (;;) {
    const left = await podsOn(client, node);
    if (left.length === 0) break;
    for (const pod of left) {
      const { uid, name } = pod.metadata;
      if (asked.has(uid)) continue;
      const refusal = await evict(client, pod, options.force);
      if (refusal === undefined) {
        asked.add(uid);
        print(`pod/${name} evicted`);
      } else if (said.get(uid) !== refusal) {
        said.set(uid, refusal);
        print(`pod/${name} stays for now: ${refusal}`);
      }
    }
    if (performance.now() >= deadline) {
      const names = left.map(({ metadata }) => metadata.name).join(", ");
      throw new CommandError("failed", `${node} still runs ${names}; ${options.advice}`);
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
  print(`node/${node} drained`);
}

async function podsOn(client: Client, node: string): Promise<Pod[]> {
  const query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`;
  const { text } = await client.call("GET", `/api/v1/pods?${query}`);
  const { items } = JSON.parse(text) as { readonly items: readonly Pod[] };
  return items.filter(
    ({ metadata, status }) =>
      metadata.ownerReferences?.[0]?.kind !== "DaemonSet" &&
      status.phase !== "Succeeded" &&
      status.phase !== "Failed",
  );
}

/** @returns Why it stays; undefined when it goes. */
async function evict(client: Client, { metadata }: Pod, force: boolean): Promise<string | undefined> {
  const { namespace, name, uid } = metadata;
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  const preconditions = { uid };
  try {
    if (force) {
      const options = { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 10, preconditions };
      await client.call("DELETE", path, options);
    } else {
      const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
      await client.call("POST", `${path}/eviction`, { ...eviction, deleteOptions: { preconditions } });
    }
    return undefined;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === exitCodes.failed) return error.message;
    throw error;
  }
}
