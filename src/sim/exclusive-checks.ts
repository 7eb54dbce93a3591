import { decodeRow, slotOfRow } from "../core/leases/rows.ts";
import type { Roll, Voter } from "../core/leases/contract.ts";
import { electorateOf } from "../core/node/exclusive.ts";
import { goneKey } from "../core/records/keys.ts";
import type { Machine } from "./machine.ts";
import type { SimPod } from "./sim-pod.ts";
import type { World } from "./world.ts";

/** What must hold of exclusive slots, by the world's own truth. */
export class ExclusiveChecks {
  readonly #world: World;
  /** The smallest and the largest token of each name, by the founding of the electorate. */
  readonly #tokens = new Map<string, Map<number, { readonly least: number; readonly most: number }>>();

  constructor(world: World) {
    this.#world = world;
  }

  /** 12. No two instances of an exclusive slot run at any true time, and its tokens grow. */
  started(machine: Machine, { start }: SimPod): void {
    const { fence, name, uid } = start;
    if (fence === undefined) return;
    const electorate = electorateOf(fence.name.slice(fence.name.indexOf(" ") + 1));
    for (const other of this.#world.everybody) {
      for (const running of other.pods.values()) {
        if (running.start.uid === uid || running.start.fence?.name !== fence.name) continue;
        if (this.#neverMet(machine, other, electorate)) continue;
        this.#world.violated(`12: ${machine.name} starts ${name} while ${other.name} runs ${fence.name}`);
      }
    }
    const founding = rollOn(machine, electorate)?.founding ?? 0;
    const byFounding = this.#tokens.get(fence.name) ?? new Map<number, { least: number; most: number }>();
    this.#tokens.set(fence.name, byFounding);
    for (const [known, { least, most }] of byFounding) {
      const grows = known > founding ? fence.token < least : fence.token > most;
      if (!grows)
        this.#world.violated(`12: ${machine.name} starts ${name} under ${fence.token}, after ${most}`);
    }
    const { least } = byFounding.get(founding) ?? { least: fence.token };
    byFounding.set(founding, { least, most: fence.token });
  }

  /** 15. Who has gone has no vote, wherever those who have one and are still there could agree on it. */
  atEnd(): void {
    const members = this.#members();
    for (const machine of this.#world.machines) {
      for (const electorate of [`site/${machine.identity.site}`, "mesh"]) {
        const voters = rollOn(machine, electorate)?.voters ?? [];
        if (voters.filter(isVoterOf(members)).length <= voters.length / 2) continue;
        const gone = voters.find(({ id }) => !members.has(id));
        if (gone === undefined) continue;
        const name = this.#world.everybody.find(({ identity }) => identity.id === gone.id)?.name ?? gone.id;
        this.#world.violated(`20: ${machine.name} still counts ${name} as a voter of ${electorate}`);
      }
    }
  }

  /** Whether more than half of those who vote on a slot have gone for good: then nobody runs it any more. */
  hasNoVoters(slot: string): boolean {
    const electorate = electorateOf(slot);
    const rolls = this.#world.machines.flatMap((machine) => rollOn(machine, electorate) ?? []);
    const [last] = rolls.sort((left, right) => right.number - left.number);
    if (last === undefined) return false;
    return last.voters.filter(isVoterOf(this.#members())).length < last.voters.length / 2;
  }

  #members(): ReadonlyMap<string, Machine> {
    return new Map(this.#world.machines.map((machine) => [machine.identity.id, machine]));
  }

  /** Of two foundings the smaller one's holder goes on as long as it has heard neither of its end nor of the other. */
  #neverMet(one: Machine, other: Machine, electorate: string): boolean {
    const first = rollOn(one, electorate)?.founding ?? 0;
    const second = rollOn(other, electorate)?.founding ?? 0;
    const { identity, disk } = first < second ? one : other;
    const slots = this.#world.everybody.map((author) => `${goneKey(identity.id)}\0${author.identity.id}`);
    return first !== second && slots.every((slot) => disk.stored(slot) === undefined);
  }
}

const isVoterOf =
  (members: ReadonlyMap<string, Machine>) =>
  ({ id, memory }: Voter): boolean => {
    const machine = members.get(id);
    return machine !== undefined && memoryOn(machine) === memory;
  };

export function rollOn({ disk }: Machine, electorate: string): Roll | undefined {
  const slot = slotOfRow({
    type: "roll",
    electorate,
    roll: undefined,
    confirmed: [],
    floor: 0,
    accepted: undefined,
  });
  const bytes = disk.stored(slot);
  const row = bytes === undefined ? undefined : decodeRow(bytes);
  return row?.type === "roll" ? row.roll : undefined;
}

function memoryOn({ disk }: Machine): string | undefined {
  const bytes = disk.stored("meta/lease-memory");
  const row = bytes === undefined ? undefined : decodeRow(bytes);
  return row?.type === "memory" ? row.memory : undefined;
}
