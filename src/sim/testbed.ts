import type { Change } from "../core/intents/contract.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/** What tests do in a simulated world: write at a machine, part the network, compare what is held. */

type WorkloadKind = "Deployment" | "StatefulSet";

let requests = 0;

export function send(machine: Machine, change: Change): void {
  machine.write(++requests, change, "me");
}

/** Writes the whole object, whether it exists or not. */
export function upsert(machine: Machine, ref: ObjectRef, value: JsonObject, manager = "m"): void {
  send(machine, { type: "update", ref, value, manager, class: "user", mode: "upsert" });
}

export const workloadRef = (kind: WorkloadKind, name: string): ObjectRef => ({
  group: "apps",
  kind,
  namespace: "default",
  name,
});

/** A manifest of pods that simulated machines run. */
export function workload(
  kind: WorkloadKind,
  name: string,
  replicas: number,
  parts: {
    readonly annotations?: { readonly [annotation: string]: string };
    /** The variable `VERSION` of its container. */
    readonly version?: string;
    /** Over the fields of its own. */
    readonly spec?: JsonObject;
  } = {},
): JsonObject {
  const { annotations, version, spec } = parts;
  const labels = { app: name };
  const env = version === undefined ? {} : { env: [{ name: "VERSION", value: version }] };
  const containers = [{ name: "main", image: "sim", command: ["run"], ...env }];
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace: "default", ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { runtimeClassName: "process", containers } },
      ...spec,
    },
  };
}

/** Cuts machines from others, both ways; from everybody else when the others are not named. */
export function cut(world: World, side: readonly Machine[], others = everybodyBut(world, side)): void {
  for (const [from, to] of waysBetween(side, others)) world.network.cut(from, to);
}

/** The end of a `cut` of the same machines. */
export function mend(world: World, side: readonly Machine[], others = everybodyBut(world, side)): void {
  for (const [from, to] of waysBetween(side, others)) world.network.mend(from, to);
}

const everybodyBut = (world: World, side: readonly Machine[]): readonly Machine[] =>
  world.machines.filter((machine) => !side.includes(machine));

const waysBetween = (side: readonly Machine[], others: readonly Machine[]): [from: number, to: number][] =>
  side.flatMap(({ host: one }) =>
    others.flatMap(({ host: other }): [number, number][] => [
      [one, other],
      [other, one],
    ]),
  );

/** How many different states the agents that run hold: 1 when they agree. */
export const statesOf = (machines: readonly Machine[]): number =>
  new Set(machines.map(({ node }) => node?.view.stateHash())).size;
