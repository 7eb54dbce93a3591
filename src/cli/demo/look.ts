import { isObject, type JsonObject } from "../../core/kernel/json.ts";
import type { HealReport } from "../../core/records/bodies.ts";
import type { Fleet, FleetNode } from "./fleet.ts";

/** What the demo looks at: the same API that everybody uses, on the node it names. */

export type PodInfo = {
  readonly name: string;
  readonly app: string;
  readonly node: string;
  readonly site: string;
  readonly ready: boolean;
  /** Its node is in view from here. */
  readonly current: boolean;
  readonly version: string;
  readonly pids: readonly string[];
};

type Pod = {
  readonly metadata: {
    readonly name: string;
    readonly labels: { readonly [label: string]: string };
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly reason?: string;
    readonly conditions: readonly { type: string; status: string }[];
    readonly containerStatuses: readonly { containerID: string }[];
  };
};

const timeout = 20_000;

/** Pods as a node sees them, without those that are ending. */
export async function podsAt(fleet: Fleet, node: FleetNode): Promise<PodInfo[]> {
  const client = await fleet.client(node);
  const { text } = await client.call("GET", "/api/v1/pods", undefined, { timeoutMs: timeout });
  const versions = await versionsByRevision(fleet, node);
  return (JSON.parse(text) as { items: Pod[] }).items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      app: metadata.labels["app"] ?? "",
      node: spec.nodeName,
      site: metadata.labels["topology.kubernetes.io/zone"] ?? "",
      ready: status.conditions.find(({ type }) => type === "Ready")?.status === "True",
      current: status.reason !== "NodeUnreachable",
      version: versions(metadata.name),
      pids: status.containerStatuses.map(({ containerID }) => containerID),
    }));
}

export async function shopPods(fleet: Fleet, node: FleetNode): Promise<PodInfo[]> {
  return (await podsAt(fleet, node)).filter(({ app }) => app === "shop");
}

/** Pods carry their revision in their name; the first one seen of each is the older version. */
async function versionsByRevision(fleet: Fleet, node: FleetNode): Promise<(pod: string) => string> {
  const client = await fleet.client(node);
  const { text } = await client.call("GET", "/apis/apps/v1/namespaces/default/deployments");
  const { items } = JSON.parse(text) as { items: JsonObject[] };
  const current = new Map<string, string>();
  for (const item of items) {
    const { metadata, spec } = item as unknown as {
      metadata: { name: string };
      spec: { template: { spec: { containers: { env: { name: string; value?: string }[] }[] } } };
    };
    const version = spec.template.spec.containers[0]?.env.find(({ name }) => name === "VERSION")?.value ?? "";
    current.set(metadata.name, version);
  }
  return (pod) => {
    const [app = "", revision = ""] = pod.split("-");
    const version = current.get(app) ?? "";
    const known = revisions.get(`${app} ${version}`);
    if (known === undefined && ![...revisions.values()].includes(revision))
      revisions.set(`${app} ${version}`, revision);
    for (const [key, held] of revisions)
      if (held === revision && key.startsWith(`${app} `)) return key.split(" ")[1] ?? "";
    return "";
  };
}
const revisions = new Map<string, string>();

/** One request through the service proxy of a node. */
export async function request(
  fleet: Fleet,
  node: FleetNode,
  service: string,
): Promise<{ pod: string; node: string; site: string; version: string }> {
  const client = await fleet.client(node);
  const { text } = await client.call("GET", `/api/v1/namespaces/default/services/${service}/proxy/`);
  return JSON.parse(text) as { pod: string; node: string; site: string; version: string };
}

/** Edits the shop as `kubectl edit` does: read, change, write back. */
export async function edit(
  fleet: Fleet,
  node: FleetNode,
  change: (spec: JsonObject) => JsonObject,
): Promise<void> {
  const client = await fleet.client(node);
  const path = "/apis/apps/v1/namespaces/default/deployments/shop";
  const { text } = await client.call("GET", path);
  const object = JSON.parse(text) as JsonObject;
  const spec = object["spec"];
  await client.call("PUT", path, { ...object, spec: change(isObject(spec) ? spec : {}) });
}

export async function conflictsAt(
  fleet: Fleet,
  node: FleetNode,
): Promise<{ field: string; winner: { value: unknown }; losers: { value: unknown }[] }[]> {
  const { text } = await (await fleet.client(node)).call("GET", "/starlight/v1/conflicts");
  return (
    JSON.parse(text) as {
      conflicts: { field: string; winner: { value: unknown }; losers: { value: unknown }[] }[];
    }
  ).conflicts;
}

export async function healReports(fleet: Fleet, node: FleetNode): Promise<HealReport[]> {
  const { text } = await (await fleet.client(node)).call("GET", "/starlight/v1/heal-report");
  return (JSON.parse(text) as { nodes: { reports: HealReport[] }[] }).nodes.flatMap(({ reports }) => reports);
}

/** Looks again and again until it is so; the time since `from`, in ms. */
export async function until(limitMs: number, from: number, holds: () => Promise<boolean>): Promise<number> {
  for (;;) {
    let failure = "";
    const held = await holds().catch((error: unknown) => {
      failure = ` (${error instanceof Error ? error.message : String(error)})`;
      return false;
    });
    const elapsed = performance.now() - from;
    if (held) return elapsed;
    if (elapsed > limitMs) throw new Error(`still not so after ${(limitMs / 1000).toFixed(0)} s${failure}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
