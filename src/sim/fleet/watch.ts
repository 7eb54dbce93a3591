import { shuffled } from "../../core/kernel/random.ts";
import type { Machine } from "../machine.ts";
import { siteOf, type Fleet } from "./fleet.ts";

/** What must hold at every moment, in any weather. */
export type Watch = {
  /** 2. On a sample: nobody but who left or was revoked is forgotten. */
  readonly nobodyForgotten: () => void;
  /** How often nodes told what: by the reason of their notes. */
  readonly told: ReadonlyMap<string, number>;
};

/** A process that ended so long ago at most may still be held dead by who did not hear of the next one. */
const oldNewsMs = 60_000;
const sampled = 50;

export function watchFleet(fleet: Fleet): Watch {
  const { world, members } = fleet;
  const random = world.random("watch");
  const machineByName = new Map(world.machines.map((machine) => [machine.name, machine] as const));
  const endedAt = new Map<Machine, number>();
  const told = new Map<string, number>();
  world.observers.push({
    dying: (machine) => void endedAt.set(machine, world.now),
    noted: (machine, { reason, message }) => {
      told.set(reason, (told.get(reason) ?? 0) + 1);
      if (reason === "NodeDead") notDeadInVain(machine, message);
    },
  });

  /** 1. Who is held dead has no process, or had none a moment ago. */
  function notDeadInVain(by: Machine, message: string): void {
    const of = machineByName.get(message.split(":")[0] ?? "");
    if (of === undefined || of.node === undefined) return;
    const ended = endedAt.get(of);
    if (ended === undefined || world.now - ended > oldNewsMs)
      world.violated(`1: ${by.name} holds ${of.name} dead, whose process runs on`);
  }

  function nobodyForgotten(): void {
    for (const machine of shuffled(random, [...members]).slice(0, sampled)) {
      const view = machine.node?.view;
      if (view === undefined) continue;
      for (const other of siteOf(fleet, machine.identity.site)) {
        // Who has just joined may not be known yet.
        const known = !fleet.lateSites.includes(other.identity.site) && members.has(other);
        if (known && view.memberBody(other.identity.id) === undefined)
          world.violated(`2: ${machine.name} has forgotten ${other.name}`);
      }
    }
  }

  return { nobodyForgotten, told };
}
