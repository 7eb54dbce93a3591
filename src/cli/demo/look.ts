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
  return (JSON.parse(text) as { items: Pod[] }).items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      app: metadata.labels["app"] ?? "",
      node: spec.nodeName,
      site: metadata.labels["topology.kubernetes.io/zone"] ?? "",
      ready: status.conditions.find(({ type }) => type === "Ready")?.status === "True",
      current: status.reason !== "NodeUnreachable",
      pids: status.containerStatuses.map(({ containerID }) => containerID),
    }));
}

export async function shopPods(fleet: Fleet, node: FleetNode): Promise<PodInfo[]> {
  return (await podsAt(fleet, node)).filter(({ app }) => app === "shop");
}

/** What each of these pods itself answers as its version; empty for one that does not answer. */
export async function answeredVersions(
  fleet: Fleet,
  node: FleetNode,
  pods: readonly PodInfo[],
): Promise<string[]> {
  const client = await fleet.client(node);
  return Promise.all(
    pods.map(async ({ name }) => {
      try {
        const { text } = await client.call("GET", `/api/v1/namespaces/default/pods/${name}:http/proxy/`);
        return (JSON.parse(text) as { version: string }).version;
      } catch {
        return "";
      }
    }),
  );
}

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

/** Edits the shop as a controller does: read, change, write back, again if it changed meanwhile. */
export async function edit(
  fleet: Fleet,
  node: FleetNode,
  change: (spec: JsonObject) => JsonObject,
): Promise<void> {
  const client = await fleet.client(node);
  const path = "/apis/apps/v1/namespaces/default/deployments/shop";
  for (let tries = 0; ; tries++) {
    const { text } = await client.call("GET", path);
    const object = JSON.parse(text) as JsonObject;
    const spec = object["spec"];
    try {
      await client.call("PUT", path, { ...object, spec: change(isObject(spec) ? spec : {}) });
      return;
    } catch (error) {
      const raced = error instanceof Error && error.message.includes("the object has been modified");
      if (!raced || tries === 5) throw error;
    }
  }
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

export type NodeState = {
  readonly stateHash: string;
  readonly nodes: readonly { readonly name: string; readonly verdict: string }[];
};

export async function stateOf(fleet: Fleet, node: FleetNode): Promise<NodeState> {
  const { text } = await (await fleet.client(node)).call("GET", "/starlight/v1/status");
  return JSON.parse(text) as NodeState;
}

/** What a node holds another for. */
export async function verdictOf(fleet: Fleet, node: FleetNode, about: string): Promise<string | undefined> {
  return (await stateOf(fleet, node)).nodes.find(({ name }) => name === about)?.verdict;
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
