import { below, pick, type Random } from "../core/kernel/random.ts";
import { isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import type { Change, MergedObject } from "../core/intents/contract.ts";
import type { WriteReply } from "../core/node/contract.ts";
import { partsOf, type ObjectRef } from "../core/records/keys.ts";
import { openStored } from "../core/records/seal.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/**
 * People at random nodes who create workloads, scale them, change a variable or a note, and delete.
 * Every value they write is unique, so that the end state says whose write it came from.
 */

/** One attempt to write one leaf of one object. */
export type Attempt = {
  readonly object: string;
  readonly leaf: string;
  readonly value: Json;
  /** The whole object that it was sent as a part of. */
  readonly sent: JsonObject;
  /** Written as part of a whole new object. */
  readonly creates: boolean;
  readonly at: number;
  readonly by: string;
  readonly manager: string;
  /** The newest write of the object that its author had seen. */
  readonly saw: number;
  /** The version of the write, once it was acknowledged. */
  acknowledged: number | undefined;
  refused: boolean;
  /** No other member had it when its author's membership ended: nobody asks that one for it any more. */
  unheard: boolean;
};

type Leaf = { readonly leaf: string; readonly value: Json };
/** A whole object, and which of its leaves are news. */
type Written = { readonly value: JsonObject; readonly leaves: readonly Leaf[] };

export type Deletion = { readonly object: string; readonly at: number };

export const workloadNames = ["shop", "till", "ledger", "sensor", "camera", "vault"] as const;

/** The tools that users write with: field owners, in server-side apply's words. */
const managers = ["kubectl", "helm", "console"] as const;

export class Users {
  readonly attempts: Attempt[] = [];
  readonly deletions: Deletion[] = [];
  readonly #world: World;
  readonly #random: Random;
  readonly #waiting = new Map<string, Attempt[]>();
  #requests = 0;
  #values = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random("users");
    world.observers.push({
      answered: (machine, request, reply) => this.#answered(machine, request, reply),
      departing: (machine) => this.#departing(machine),
    });
  }

  /** Something a user does now, at a random node that is up. */
  act(): void {
    // People at a revoked machine go on as well, until they see that nobody listens.
    const up = this.#world.present.filter((machine) => machine.state === "up");
    const machine = pick(this.#random, up);
    const name = pick(this.#random, workloadNames);
    if (machine?.node === undefined || name === undefined) return;
    const ref: ObjectRef = {
      group: "apps",
      kind: name === "sensor" ? "DaemonSet" : name === "vault" ? "StatefulSet" : "Deployment",
      namespace: "default",
      name,
    };
    const current = machine.node.view.object(ref);
    if (current === undefined || !current.exists)
      return this.#write(machine, ref, this.#fresh(ref), "create");
    // What a member wrote after its end is void, and may have been most of it: the manifest is applied again.
    const { spec } = current.value;
    if (!isObject(spec) || !isObject(spec["template"]))
      return this.#write(machine, ref, this.#fresh(ref, current.value), "upsert");
    const dice = this.#random();
    if (dice < 0.06) return this.#delete(machine, ref);
    if (dice < 0.4 && ref.kind !== "DaemonSet") return this.#edit(machine, ref, current.value, "replicas");
    if (dice < 0.6) return this.#edit(machine, ref, current.value, "version");
    this.#edit(machine, ref, current.value, `note-${below(this.#random, 3)}`);
  }

  /** @param torn What is left of the object: others' notes stay. */
  #fresh(ref: ObjectRef, torn: JsonObject = {}): Written {
    // Where nobody knows all members, only a site's own slots can be exclusive; elsewhere either may be.
    const allKnown = this.#world.machines[0]?.identity.mesh.detail === "mesh";
    const isVaultPerSite = !allKnown || this.#world.seed % 2 === 1;
    const perSite = ref.name === "shop" || ref.name === "till" || (ref.name === "vault" && isVaultPerSite);
    const written = `v${++this.#values}`;
    const labels = { app: ref.name };
    const container = {
      name: "main",
      image: "sim",
      command: ["run"],
      env: [{ name: "VERSION", value: written }],
      resources: { requests: { cpu: "50m", memory: "32Mi" } },
    };
    const value = {
      apiVersion: "apps/v1",
      kind: ref.kind,
      metadata: {
        name: ref.name,
        namespace: ref.namespace,
        annotations: {
          ...annotationsOf(torn),
          ...(perSite ? { "starlight.dev/placement": "perSite" } : { "starlight.dev/lost-after": "5s" }),
        },
      },
      spec: {
        ...(ref.kind === "DaemonSet" ? {} : { replicas: 2 }),
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { runtimeClassName: "process", containers: [container] },
        },
      },
    };
    const replicas: Leaf[] = ref.kind === "DaemonSet" ? [] : [{ leaf: "replicas", value: 2 }];
    return { value, leaves: [{ leaf: "version", value: written }, ...replicas] };
  }

  #edit(machine: Machine, ref: ObjectRef, value: JsonObject, leaf: string): void {
    const next = structuredClone(value) as { [key: string]: Json };
    const spec = next["spec"] as { [key: string]: Json };
    const metadata = next["metadata"] as { [key: string]: Json };
    let written: Json;
    if (leaf === "replicas") {
      written = 1 + below(this.#random, 4);
      // Where the one who wrote a number is gone the API shows the default, and who sends that changes nothing.
      if (written === (spec["replicas"] ?? 1)) return;
      spec["replicas"] = written;
    } else if (leaf === "version") {
      written = `v${++this.#values}`;
      const template = spec["template"] as { spec: { containers: { env: { value: Json }[] }[] } };
      const variable = template.spec.containers[0]?.env?.[0];
      if (variable === undefined) return;
      variable.value = written;
    } else {
      written = `n${++this.#values}`;
      metadata["annotations"] = { ...annotationsOf(value), [leaf]: written };
    }
    this.#write(machine, ref, { value: next, leaves: [{ leaf, value: written }] }, "upsert");
  }

  #write(machine: Machine, ref: ObjectRef, { value, leaves }: Written, mode: "create" | "upsert"): void {
    const manager = pick(this.#random, managers) ?? managers[0];
    const change: Change = { type: "update", ref, value, manager, class: "user", mode };
    const attempts = leaves.map(({ leaf, value: written }): Attempt => ({
      object: ref.name,
      leaf,
      value: written,
      sent: value,
      creates: mode === "create",
      at: this.#world.now,
      by: machine.name,
      manager,
      saw: machine.node?.view.object(ref)?.version ?? 0,
      acknowledged: undefined,
      refused: false,
      unheard: !this.#world.machines.includes(machine),
    }));
    const what = leaves.map(({ leaf, value: written }) => `${leaf} = ${JSON.stringify(written)}`).join(", ");
    this.#send(machine, change, attempts, `${mode} ${ref.name} ${what}`);
  }

  #delete(machine: Machine, ref: ObjectRef): void {
    this.deletions.push({ object: ref.name, at: this.#world.now });
    this.#send(machine, { type: "delete", ref, manager: "kubectl", class: "user" }, [], `delete ${ref.name}`);
  }

  #send(machine: Machine, change: Change, attempts: Attempt[], what: string): void {
    const request = ++this.#requests;
    this.attempts.push(...attempts);
    this.#waiting.set(`${machine.name} ${machine.processes} ${request}`, attempts);
    this.#world.trace.add(this.#world.now, machine.name, `user: ${what}`);
    machine.write(request, change);
  }

  /** 4. What is acknowledged stands in the very reply, unless somebody wrote it at the same time. */
  #acknowledged(machine: Machine, attempt: Attempt, object: MergedObject | undefined): void {
    attempt.acknowledged = object?.version ?? 0;
    if (object === undefined || !object.exists) return;
    const value = leafOf(object.value, attempt.leaf);
    const word = attempt.leaf === "version" ? "env" : attempt.leaf;
    const races = object.conflicts.filter(({ path }) => path === "(object)" || path.includes(word));
    const overtaken = races.some(({ winner }) => winner.version > attempt.saw);
    if (value === attempt.value || overtaken) return;
    this.#world.violated(
      `4: ${machine.name} acknowledges ${attempt.object} ${attempt.leaf} = ${JSON.stringify(attempt.value)} and answers with ${JSON.stringify(value)}`,
    );
  }

  #departing(machine: Machine): void {
    const newest = new Map<string, number>();
    for (const { disk } of this.#world.machines.filter((other) => other !== machine))
      for (const frame of disk.frames()) {
        const opened = openStored(frame, this.#world.crypto);
        const parts =
          opened.ok && opened.value.author === machine.identity.id ? partsOf(opened.value.key) : undefined;
        if (!opened.ok || parts?.type !== "intent") continue;
        const { name } = parts.ref;
        newest.set(name, Math.max(newest.get(name) ?? 0, opened.value.version));
      }
    for (const attempt of this.attempts)
      if (attempt.by === machine.name)
        attempt.unheard =
          (attempt.acknowledged ?? Number.POSITIVE_INFINITY) > (newest.get(attempt.object) ?? 0);
  }

  #answered(machine: Machine, request: number, reply: WriteReply): void {
    const key = `${machine.name} ${machine.processes} ${request}`;
    const attempts = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const attempt of attempts) {
      if (reply.ok) this.#acknowledged(machine, attempt, reply.value.objects[0]);
      else attempt.refused = true;
    }
    if (!reply.ok) {
      this.#world.trace.add(this.#world.now, machine.name, `refused: ${JSON.stringify(reply.error)}`);
    }
  }
}

function annotationsOf({ metadata }: JsonObject): JsonObject {
  const annotations = isObject(metadata) ? metadata["annotations"] : undefined;
  return isObject(annotations) ? annotations : {};
}

/** The value of one of the leaves that users write, as the merged object has it. */
export function leafOf(object: JsonObject, leaf: string): unknown {
  const value = object as {
    readonly metadata?: { readonly annotations?: { readonly [key: string]: string } };
    readonly spec?: {
      readonly replicas?: number;
      readonly template?: {
        readonly spec?: { readonly containers?: readonly { env?: { value?: string }[] }[] };
      };
    };
  };
  if (leaf === "replicas") return value.spec?.replicas;
  if (leaf === "version") return value.spec?.template?.spec?.containers?.[0]?.env?.[0]?.value;
  return value.metadata?.annotations?.[leaf];
}
