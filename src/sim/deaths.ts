import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/** A process that ended so long ago at most may still be held dead by who did not hear of the next one. */
const oldNewsMs = 60_000;

/** Who is held dead has no process, or had none a moment ago: no silence and no cut is ever taken for a death. */
export function watchDeaths(world: World, invariant: number, newsMs = oldNewsMs): void {
  const endedAt = new Map<Machine, number>();
  world.observers.push({
    dying: (machine) => void endedAt.set(machine, world.now),
    noted: (by, { reason, message }) => {
      if (reason !== "NodeDead") return;
      const name = message.split(":")[0];
      const of = world.everybody.find((machine) => machine.name === name);
      if (of?.isRunning !== true) return;
      const ended = endedAt.get(of);
      if (ended === undefined || world.now - ended > newsMs)
        world.violated(`${invariant}: ${by.name} holds ${of.name} dead, whose process runs on`);
    },
  });
}
