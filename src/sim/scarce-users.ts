import { below, between, pick, type Random } from "../core/kernel/random.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import { variantsAnnotation } from "../core/intents/variants.ts";
import type { PodStart } from "../core/node/contract.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import { lanesResource, type Machine } from "./machine.ts";
import type { SimPod } from "./sim-pod.ts";
import type { World } from "./world.ts";

/**
 * People who want more than the machines have: copies that fill what is left, a workload with a ladder, and one
 * before which all others yield. They ask for lanes, which nothing else uses.
 */

const priorities: { readonly [className: string]: number } = { idle: -100, busy: 100, urgent: 1_000 };

export type ScarceName = "bulk" | "render" | "alarm";
export const scarceNames: readonly ScarceName[] = ["bulk", "render", "alarm"];
export const isScarce = ({ labels }: PodStart): boolean => scarceNames.some((name) => name === labels["app"]);

/** The lanes that a copy asks for, best first. */
export const scarce: {
  readonly [N in ScarceName]: { readonly className: string; readonly lanes: readonly number[] };
} = {
  bulk: { className: "idle", lanes: [2] },
  render: { className: "busy", lanes: [3, 2, 1] },
  alarm: { className: "urgent", lanes: [3] },
};
const rungNames = ["full", "half", "thumb"];

export const scarceRef = (name: ScarceName): ObjectRef => ({
  group: "apps",
  kind: "Deployment",
  namespace: "default",
  name,
});

export const priorityOfClass = (className: string): number => priorities[className] ?? 0;

/** As its class says; 0 without one. */
export const priorityOf = ({ spec }: PodStart): number =>
  priorityOfClass(String(spec["priorityClassName"] ?? ""));

/** Whether whoever needs the room may have it from this pod. */
export function whyNotPreempted({ start }: SimPod, reason: string): string | undefined {
  const priority = Number(/\(priority (-?\d+)\) needs the room/.exec(reason)?.[1]);
  return priority > priorityOf(start) ? undefined : `its priority is ${priorityOf(start)}`;
}

/** Away from the numbers of other requests. */
const firstRequest = 2_000_000;

export class ScarceUsers {
  readonly #world: World;
  readonly #random: Random;
  #requests = firstRequest;
  #versions = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random("scarce users");
  }

  plan(from: number, until: number): void {
    const random = this.#random;
    this.#world.at(from, () => this.#classes());
    for (const name of scarceNames)
      this.#world.at(between(random, from, from + 15_000), () => this.#apply(name));
    for (let at = from + 15_000; at < until; at += between(random, 4_000, 24_000))
      this.#world.at(at, () => this.#act());
  }

  #classes(): void {
    const machine = this.#somebody();
    if (machine === undefined) return this.#world.at(this.#world.now + 1_000, () => this.#classes());
    for (const [name, value] of Object.entries(priorities)) {
      const ref = { group: "scheduling.k8s.io", kind: "PriorityClass", namespace: "", name };
      const object = { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name }, value };
      this.#write(machine, ref, object);
    }
  }

  #act(): void {
    const name = pick(this.#random, scarceNames);
    if (name === undefined) return;
    if (this.#random() < 0.15) this.#delete(name);
    else this.#apply(name);
  }

  /** Made, or asked for in another number. */
  #apply(name: ScarceName): void {
    const machine = this.#somebody();
    if (machine === undefined) return;
    const { className, lanes } = scarce[name];
    const machines = this.#world.machines.length;
    const allKnown = machine.identity.mesh.detail === "mesh";
    const most = Math.ceil((allKnown ? machines : 3) * { bulk: 1.5, render: 0.5, alarm: 0.4 }[name]);
    const ladder = lanes.map((count, rung) => ({
      name: rungNames[rung],
      minTier: 3,
      requests: { [lanesResource]: count },
    }));
    const existing = machine.node?.view.object(scarceRef(name));
    const labels = { app: name };
    const container = {
      name: "main",
      image: "sim",
      command: ["run"],
      env: [
        {
          name: "VERSION",
          value: existing?.exists === true ? versionIn(existing.value) : `s${++this.#versions}`,
        },
      ],
      resources: { requests: { [lanesResource]: lanes[0] ?? 1, memory: "32Mi" } },
    };
    const value = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        name,
        namespace: "default",
        annotations: allKnown ? {} : { "starlight.dev/placement": "perSite" },
      },
      spec: {
        replicas: 1 + below(this.#random, most),
        selector: { matchLabels: labels },
        template: {
          metadata: {
            labels,
            annotations: lanes.length === 1 ? {} : { [variantsAnnotation]: JSON.stringify(ladder) },
          },
          spec: { runtimeClassName: "process", priorityClassName: className, containers: [container] },
        },
      },
    };
    this.#world.trace.add(this.#world.now, machine.name, `user: wants ${value.spec.replicas} of ${name}`);
    this.#write(machine, scarceRef(name), value as JsonObject);
  }

  #delete(name: ScarceName): void {
    const machine = this.#somebody();
    if (machine?.node?.view.object(scarceRef(name))?.exists !== true) return;
    this.#world.trace.add(this.#world.now, machine.name, `user: deletes ${name}`);
    const change = { type: "delete", ref: scarceRef(name), manager: "kubectl", class: "user" } as const;
    machine.write(++this.#requests, change);
  }

  #somebody(): Machine | undefined {
    return pick(
      this.#random,
      this.#world.machines.filter(({ state }) => state === "up"),
    );
  }

  #write(machine: Machine, ref: ObjectRef, value: JsonObject): void {
    const change = { type: "update", ref, value, manager: "kubectl", class: "user", mode: "upsert" } as const;
    machine.write(++this.#requests, change);
  }
}

/** What its variable says, so that it is not a new revision. */
function versionIn(value: JsonObject): string {
  const { spec } = value as {
    readonly spec?: {
      readonly template?: {
        readonly spec?: {
          readonly containers?: readonly { readonly env?: readonly { readonly value?: string }[] }[];
        };
      };
    };
  };
  return spec?.template?.spec?.containers?.[0]?.env?.[0]?.value ?? "s0";
}
