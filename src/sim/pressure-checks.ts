import type { MemorySample } from "../core/node/memory.ts";
import { memoryPressure } from "../core/records/health.ts";
import type { Machine } from "./machine.ts";
import { priorityOf } from "./scarce-users.ts";
import { requestsOf, type SimPod } from "./sim-pod.ts";
import type { World } from "./world.ts";

/**
 * 18. A machine that is short of memory ends its pods in the kubelet's order and takes no new ones, and nobody
 * calls it short for long once it is not.
 */
export class PressureChecks {
  readonly #world: World;
  /** While a machine is being told: what it has. */
  #telling: { readonly machine: Machine; readonly sample: MemorySample } | undefined;
  /** Chosen before, and handed over or ending. */
  readonly #chosen = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    world.observers.push({
      memoryTold: (machine, sample, tell) => {
        this.#telling = { machine, sample };
        tell();
        this.#telling = undefined;
      },
      podStopping: (machine, pod, reason) => {
        if (!reason.includes(lowOnMemory)) return;
        if (!machine.memory.isShort)
          this.#say(`${machine.name} ends ${pod.start.name}, and has memory enough`);
        this.#choose(machine, pod);
      },
      noted: (machine, { reason, message }) => {
        if (reason === "PodClaimed") this.#claims(machine, message);
        if (reason !== "PodEvicted" || !message.includes(lowOnMemory)) return;
        const pod = [...machine.pods.values()].find(({ start }) => message.startsWith(`${start.name}: `));
        if (pod !== undefined) this.#choose(machine, pod);
      },
    });
  }

  /** The first in order: above its request; then lower priority; then how far above. */
  #choose(machine: Machine, pod: SimPod): void {
    if (this.#telling?.machine !== machine || this.#chosen.has(pod.start.uid)) return;
    this.#chosen.add(pod.start.uid);
    const { usedByPod, wantedBytes } = this.#telling.sample;
    const used = ({ start }: SimPod): number => usedByPod.get(start.uid) ?? 0;
    const excess = (of: SimPod): number => used(of) - requestsOf(of.start, "memory");
    const goesBefore = (other: SimPod): boolean => {
      const [one, two] = [excess(other) > 0, excess(pod) > 0];
      if (one !== two) return one;
      const difference = priorityOf(other.start) - priorityOf(pod.start);
      return difference === 0 ? excess(other) > excess(pod) : difference < 0;
    };
    for (const other of machine.pods.values()) {
      const isThere = other.phase === "Running" && !other.stopping && other !== pod;
      if (!isThere || used(other) < wantedBytes / 16 || machine.node?.view.pod(other.start.uid) === undefined)
        continue;
      if (!this.#chosen.has(other.start.uid) && goesBefore(other))
        this.#say(`${machine.name} ends ${pod.start.name} before ${other.start.name}`);
    }
  }

  #claims({ name, memory }: Machine, message: string): void {
    if (memory.isShort && memory.toldAt !== undefined && memory.toldAt < this.#world.now)
      this.#say(`${name}, which is short of memory, claims ${message}`);
  }

  atEnd(): void {
    for (const { name, node } of this.#world.machines)
      for (const { member, health } of node?.view.members() ?? [])
        if (health?.troubles.some(({ type }) => type === memoryPressure) === true)
          this.#say(`at ${name}, ${member.name} is still called short of memory`);
  }

  #say(what: string): void {
    this.#world.violated(`18: ${what}`);
  }
}

const lowOnMemory = "low on resource: memory";
