import type { Change } from "../core/intents/contract.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import type { Detail } from "../core/records/scope.ts";
import type { Machine } from "./machine.ts";
import { evenLayout, simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** Fleets whose members come and go as a test says. The first of each site may admit others. */

export const config = { ...simConfig, tombstoneEvery: 1_000, keepDeleted: 0 };

export function fleet(nodes: number, sites: number, detail: Detail = "mesh"): World {
  const layout = evenLayout(nodes, sites, 1).map((site) => ({ ...site, later: 1 }));
  const world = new World(5, layout, config, new Trace(), { detail, enrollers: true });
  for (const machine of world.machines) machine.startAgent();
  world.run(detail === "mesh" ? 8_000 : 90_000);
  return world;
}

export const noteRef = (name: string) => ({ group: "", kind: "ConfigMap", namespace: "default", name });
export const agentRef = { group: "apps", kind: "DaemonSet", namespace: "default", name: "agent" };

export function put(machine: Machine, ref: Change["ref"], value: JsonObject): void {
  const change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
  machine.deliver({ type: "write", request: 1, changes: [change], actor: "me", dryRun: false });
}

export const note = (name: string, data: JsonObject): JsonObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

export function runAgents(world: World, machine: Machine): void {
  const labels = { app: "agent" };
  const container = { name: "main", image: "sim", command: ["run"] };
  put(machine, agentRef, {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", namespace: "default" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { runtimeClassName: "process", containers: [container] } },
    },
  });
  world.run(world.now + 3_000);
}

export function cut(world: World, ones: readonly Machine[], others: readonly Machine[], away: boolean): void {
  for (const one of ones)
    for (const other of others) {
      if (away) {
        world.network.cut(one.host, other.host);
        world.network.cut(other.host, one.host);
      } else {
        world.network.mend(one.host, other.host);
        world.network.mend(other.host, one.host);
      }
    }
}

export const namesAt = ({ node }: Machine): readonly string[] =>
  (node?.view.members() ?? []).map(({ member }) => member.name).sort();

export const hashes = (machines: readonly Machine[]): number =>
  new Set(machines.map(({ node }) => node?.view.stateHash())).size;
