import { wallOf } from "../core/kernel/hybrid-clock.ts";
import { variantHold } from "../core/placement/standing.ts";
import { lanesOfMachine, lanesResource, type Machine } from "./machine.ts";
import {
  isScarce,
  priorityOf,
  priorityOfClass,
  scarce,
  scarceNames,
  scarceRef,
  type ScarceName,
} from "./scarce-users.ts";
import { requestsOf, type SimPod } from "./sim-pod.ts";
import type { World } from "./world.ts";

/**
 * 17. Where there is less than people want: nobody waits while a lower priority runs in its place, a smaller
 * variant is left when there is room, no machine runs more than it has, and nothing goes to and fro.
 */

/** A copy as it runs in truth. */
type Copy = {
  readonly machine: Machine;
  readonly pod: SimPod;
  readonly lanes: number;
  readonly claimedAt: number;
};
type Slots = Map<string, Copy[]>;

/** Preempted, placed again, and the next one: a chain of moves, each of which takes about a second. */
const chainMax = 12_000;
const overMax = 5_000;
/** Clocks differ, and who is to go up is found at the next look. */
const upLate = 5_000;
/** A slot may be preempted, filled again and made larger, once. */
const startsMax = 3;
/** The share of a machine that a larger variant leaves free. */
const spare = 0.1 * lanesOfMachine;

export class PlacementChecks {
  readonly #world: World;
  readonly #slack: number;
  readonly #starts = new Map<string, number>();
  #counts = false;

  /** @param slack How much longer things take in this world. */
  constructor(world: World, slack: number) {
    this.#world = world;
    this.#slack = slack;
    world.observers.push({
      podStarted: (machine, { start }) => {
        if (!this.#counts || !isScarce(start)) return;
        const slot = machine.node?.view.pod(start.uid)?.body.slot ?? "?";
        const place = `${start.labels["app"] ?? ""} ${slot}`;
        this.#starts.set(place, (this.#starts.get(place) ?? 0) + 1);
      },
    });
  }

  /** From now on moves are counted. */
  calm(): void {
    this.#counts = true;
  }

  /** What may be so for a moment, in calm weather, and for how long. */
  wrong(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    const say = (what: string, may: number): void => void found.set(`17: ${what}`, may + this.#slack);
    const usedBy = new Map(this.#world.machines.map((machine) => [machine, lanesOn(machine, () => true)]));
    for (const [{ name }, used] of usedBy)
      if (used > lanesOfMachine) say(`${name} runs ${used} lanes and has ${lanesOfMachine}`, overMax);
    const copies = this.#copies();
    for (const name of scarceNames) {
      const running = copies.get(name) ?? new Map<string, Copy[]>();
      for (const slot of this.#wanted(name)) {
        const here = running.get(slot) ?? [];
        running.delete(slot);
        const place = `${name} ${slot}`;
        const [only] = here;
        if (here.length > 1) say(`${place} runs ${here.length} times`, chainMax);
        if (here.length === 1 && only?.pod.ready === false) say(`${place} is not ready`, chainMax);
        if (only === undefined) {
          const able = this.#placesOf(slot).find((machine) => this.#couldHave(machine, name));
          if (able !== undefined)
            say(`${place} waits, and ${able.name} has room for it, or runs less`, chainMax);
        } else if (here.length === 1) {
          const able = this.#placesOf(slot).find((machine) => isLarger(name, only, usedBy.get(machine) ?? 0));
          if (able !== undefined && this.#heldLong(only))
            say(`${place} runs ${only.lanes} lanes, and ${able.name} has room for more`, chainMax);
        }
      }
      for (const [slot, [copy]] of running)
        say(`${name} ${slot} runs on ${copy?.machine.name ?? ""}, unwanted`, chainMax);
    }
    return found;
  }

  atEnd(): void {
    for (const [place, starts] of this.#starts)
      if (starts > startsMax) this.#world.violated(`17: ${place} was started ${starts} times in the calm`);
  }

  #copies(): ReadonlyMap<ScarceName, Slots> {
    const copies = new Map<ScarceName, Slots>(scarceNames.map((name) => [name, new Map()]));
    for (const machine of this.#world.machines)
      for (const pod of machine.pods.values()) {
        const name = scarceNames.find((known) => known === pod.start.labels["app"]);
        const body = machine.node?.view.pod(pod.start.uid)?.body;
        const slots = name === undefined ? undefined : copies.get(name);
        if (slots === undefined || pod.stopping) continue;
        const slot = body?.slot ?? `? ${pod.start.name}`;
        const copy = { machine, pod, lanes: lanesOf(pod), claimedAt: wallOf(body?.claimedAt ?? 0) };
        slots.set(slot, [...(slots.get(slot) ?? []), copy]);
      }
    return copies;
  }

  #wanted(name: ScarceName): readonly string[] {
    const object = this.#world.machines[0]?.node?.view.object(scarceRef(name));
    const spec = object?.value["spec"] as
      | { readonly replicas?: number; readonly template?: unknown }
      | undefined;
    if (object?.exists !== true || spec?.template === undefined) return [];
    const metadata = object.value["metadata"] as {
      readonly annotations?: { readonly [name: string]: string };
    };
    const perSite = metadata.annotations?.["starlight.dev/placement"] === "perSite";
    const sites = new Set(this.#world.machines.map(({ identity }) => `site/${identity.site}`));
    const bases = perSite ? [...sites] : ["mesh"];
    return bases.flatMap((base) => Array.from({ length: spec.replicas ?? 1 }, (_, at) => `${base}/${at}`));
  }

  #placesOf(slot: string): readonly Machine[] {
    const { machines } = this.#world;
    if (!slot.startsWith("site/")) return machines;
    return machines.filter(({ identity }) => slot.startsWith(`site/${identity.site}/`));
  }

  /** What is free there, or runs at a lower priority, is enough for its smallest variant. */
  #couldHave(machine: Machine, name: ScarceName): boolean {
    const { className, lanes } = scarce[name];
    const priority = priorityOfClass(className);
    const kept = lanesOn(machine, (pod) => priorityOf(pod.start) >= priority);
    return kept + (lanes.at(-1) ?? 0) <= lanesOfMachine;
  }

  /** By every clock it has run its smaller variant for long enough. */
  #heldLong({ claimedAt, pod }: Copy): boolean {
    const walls = this.#world.machines.flatMap(({ node }) => node?.view.clocks().wall ?? []);
    return pod.ready && Math.min(...walls) > claimedAt + variantHold + upLate;
  }
}

/** Whether a larger variant fits beside what runs there. */
const isLarger = (name: ScarceName, { lanes }: Copy, used: number): boolean =>
  scarce[name].lanes.some((larger) => larger > lanes && used + larger + spare <= lanesOfMachine);

const lanesOf = ({ start }: SimPod): number => requestsOf(start, lanesResource);

function lanesOn({ pods }: Machine, counts: (pod: SimPod) => boolean): number {
  let sum = 0;
  for (const pod of pods.values())
    if (!pod.stopping && pod.phase === "Running" && counts(pod)) sum += lanesOf(pod);
  return sum;
}
