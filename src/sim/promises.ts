import { wallOf, type Version } from "../core/kernel/hybrid-clock.ts";
import { between } from "../core/kernel/random.ts";
import type { WriteReply } from "../core/node/contract.ts";
import { isTombstone } from "../core/records/record.ts";
import { openStored } from "../core/records/seal.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/** Stamps further ahead of the true time than this are of a wrong clock. */
const future = 86_400_000;
/** So often after each write, so long. */
const looks = 20;
const looksFor = 200;

/**
 * 10. What a node says it holds is on its disk: whoever waited for it may lose every other machine. Looked
 * at while a write is on its way, as somebody who waits would ask, and when an agent dies.
 */
export function watchPromises(world: World): void {
  /** Slot -> the newest version that a user was told is stored. */
  const acknowledged = new Map<string, Version>();
  const random = world.random("promises");

  const check = (machine: Machine, slots: Iterable<string>): void => {
    const view = machine.node?.view;
    if (view === undefined) return;
    for (const slot of slots) {
      const author = slot.split("\0")[1] ?? "";
      const version = stampNow(world, author, slot, acknowledged.get(slot) ?? 0);
      if (!view.holds(author, version)) continue;
      const stored = storedVersion(world, machine, slot);
      if (stored >= version || isCollected(world, author, slot)) continue;
      const name = slot.replace("\0", " by ");
      world.violated(`10: ${machine.name} says that it holds ${name} at ${version}; its disk has ${stored}`);
    }
  };

  const answered = (machine: Machine, reply: WriteReply): void => {
    if (!reply.ok) return;
    const { slots } = reply.value;
    for (const slot of slots) {
      const [position] = machine.node?.view.positions([slot]) ?? [];
      if (position !== undefined) acknowledged.set(slot, position.version);
    }
    const checkAll = (): void => {
      for (const each of world.machines) check(each, slots);
    };
    for (let look = 0; look < looks; look++) world.at(world.now + between(random, 0, looksFor), checkAll);
  };

  world.observers.push({
    answered: (machine, _request, reply) => answered(machine, reply),
    // Nobody relies on the word of somebody who has left, and hears of ends no more.
    dying: (machine) => {
      if (world.machines.includes(machine)) check(machine, acknowledged.keys());
    },
  });
}

/** The stamp of an acknowledged write: one of a wrong future was written anew by its author, with a smaller one. */
function stampNow(world: World, author: string, slot: string, version: Version): Version {
  const own = storedVersion(world, world.machine(world.hostOf(author)), slot);
  return own === 0 || wallOf(version) - world.trueTime() < future ? version : Math.min(version, own);
}

/** Its author took it away, with what else there was of a deleted object. */
function isCollected(world: World, author: string, slot: string): boolean {
  const bytes = world.machine(world.hostOf(author)).disk.stored(slot);
  const record = bytes === undefined ? undefined : openStored(bytes, world.crypto);
  return record === undefined || (record.ok && isTombstone(record.value));
}

function storedVersion(world: World, machine: Machine, slot: string): Version {
  const bytes = machine.disk.stored(slot);
  const record = bytes === undefined ? undefined : openStored(bytes, world.crypto);
  return record?.ok === true ? record.value.version : 0;
}
