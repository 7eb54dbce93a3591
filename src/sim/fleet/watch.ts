import { shuffled } from "../../core/kernel/random.ts";
import { watchDeaths } from "../deaths.ts";
import { gatherAll } from "../shard.ts";
import { siteOf, type Fleet } from "./fleet.ts";

/** What must hold at every moment, in any weather. */
export type Watch = {
  /** 2. On a sample: nobody but who left or was revoked is forgotten. */
  readonly nobodyForgotten: () => void;
  /** How often nodes told what: by the reason of their notes. All shards ask at the same time. */
  readonly told: () => { readonly [reason: string]: number };
};

const sampled = 50;

export function watchFleet(fleet: Fleet): Watch {
  const { world, members, shard } = fleet;
  const random = world.random("watch");
  const told = new Map<string, number>();
  watchDeaths(world, 1);
  world.observers.push({
    noted: (_, { reason }) => void told.set(reason, (told.get(reason) ?? 0) + 1),
  });

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

  function toldByAll(): { readonly [reason: string]: number } {
    const sums = new Map<string, number>();
    for (const [reason, count] of gatherAll(shard, [...told]))
      sums.set(reason, (sums.get(reason) ?? 0) + count);
    return Object.fromEntries([...sums].sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  return { nobodyForgotten, told: toldByAll };
}
