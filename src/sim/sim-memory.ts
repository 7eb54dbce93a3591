import { hash53 } from "../core/kernel/hash.ts";
import type { MemorySample } from "../core/node/memory.ts";
import type { Machine } from "./machine.ts";
import type { SimPod } from "./sim-pod.ts";
import type { World } from "./world.ts";

/** The memory of one machine: what its pods use, what else takes it, and what the shell says of it. */

const mebi = 2 ** 20;
const wantedBytes = 100 * mebi;
const sampleEvery = 1_000;

/** The same for all of a pod's life. */
export const usedBy = ({ start }: SimPod): number => (20 + (hash53(start.uid) % 60)) * mebi;

export class SimMemory {
  readonly #world: World;
  readonly #machine: Machine;
  /** What pods may use together until nothing is left; more than enough when undefined. */
  #forPods: number | undefined;
  #isTelling = false;
  #told: { readonly process: number; readonly at: number } | undefined;

  constructor(world: World, machine: Machine) {
    this.#world = world;
    this.#machine = machine;
  }

  get isShort(): boolean {
    return this.#forPods !== undefined;
  }

  /** When the agent that runs now was told last that memory is short; undefined when it was told otherwise since. */
  get toldAt(): number | undefined {
    return this.#told?.process === this.#machine.processes ? this.#told.at : undefined;
  }

  get sample(): MemorySample {
    const usedByPod = new Map([...this.#machine.pods].map(([uid, pod]) => [uid, usedBy(pod)]));
    const used = [...usedByPod.values()].reduce((sum, bytes) => sum + bytes, 0);
    const free = this.#forPods === undefined ? 10 * wantedBytes : this.#forPods - used;
    return { availableBytes: Math.max(0, free), wantedBytes, stalledPercent: 0, usedByPod };
  }

  /** Something else on the machine takes so much that only this is left. */
  shorten(leftMiB: number): void {
    if (this.#forPods !== undefined) return;
    const used = [...this.#machine.pods.values()].reduce((sum, pod) => sum + usedBy(pod), 0);
    this.#forPods = used + leftMiB * mebi;
    if (!this.#isTelling) this.#tell();
  }

  /** It is given back. */
  relieve(): void {
    this.#forPods = undefined;
  }

  /** The shell goes on for as long as there is too little, or the agent wants to hear that there is enough. */
  #tell(): void {
    const machine = this.#machine;
    if (machine.state === "up") {
      const { sample } = this;
      const isShort = sample.availableBytes < sample.wantedBytes;
      this.#told = isShort ? { process: machine.processes, at: this.#world.now } : undefined;
      this.#world.memoryTold(machine, sample, () => machine.deliver({ type: "memory", sample }));
    }
    this.#isTelling = this.isShort || machine.node?.view.isShortOfMemory() === true;
    if (this.#isTelling) this.#world.at(this.#world.now + sampleEvery, () => this.#tell());
  }
}
