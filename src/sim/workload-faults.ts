import { below, between, pick, type Random } from "../core/kernel/random.ts";
import type { World } from "./world.ts";
import type { Machine } from "./machine.ts";

/** What goes wrong on one machine with what it runs, not with its agent. */

/** Something else takes the memory: now and then so much that there is no time to hand anything over. */
export function shortenMemory(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  if (machine === undefined) return;
  const left = 10 + below(random, 85);
  const lasts = between(random, 3_000, 30_000);
  world.trace.add(world.now, "FAULT", `${machine.name} has ${left} MiB left for ${Math.round(lasts)} ms`);
  machine.memory.shorten(left);
  world.at(world.now + lasts, () => machine.memory.relieve());
}

/** Their copies may run anywhere in the mesh, or in their site. */
const movable = ["shop", "till", "ledger", "camera"] as const;

/** A workload's program ends on one machine as soon as it begins, again and again. */
export function sickenWorkload(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  const name = pick(random, movable);
  if (machine === undefined || name === undefined) return;
  const lasts = between(random, 5_000, 40_000);
  world.trace.add(world.now, "FAULT", `${name} fails on ${machine.name} for ${Math.round(lasts)} ms`);
  machine.runtime.sicken(name);
  world.at(world.now + lasts, () => machine.runtime.cure(name));
}

/** When all is calm: one copy fails where it is, for good, and a machine of its site where it never did may run it. */
export function sickenOneForGood(world: World, random: Random): void {
  const isFit = (other: Machine, machine: Machine, name: string): boolean =>
    other !== machine && other.identity.site === machine.identity.site && !other.runtime.wasSick(name);
  const candidates = world.machines.flatMap((machine) =>
    [...machine.pods.values()].flatMap(({ start, ready }) => {
      const name = movable.find((known) => known === start.labels["app"]);
      if (name === undefined || !ready) return [];
      return world.machines.some((other) => isFit(other, machine, name)) ? [{ machine, name }] : [];
    }),
  );
  const one = pick(random, candidates);
  if (one === undefined) return;
  world.trace.add(world.now, "FAULT", `${one.name} fails on ${one.machine.name} for good`);
  one.machine.runtime.sicken(one.name);
}
