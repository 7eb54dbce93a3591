import type { Version } from "../core/kernel/hybrid-clock.ts";
import { goneKey } from "../core/records/keys.ts";
import { slotOf } from "../core/records/record.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/** What an enroller said: that somebody is a member, or is one no more. */
type Word = {
  readonly says: "member" | "revoked";
  readonly by: Machine;
  readonly of: Machine;
  readonly version: Version;
};

/**
 * Who belongs, in truth, where enrollers are revoked themselves and do not know. What an enroller says counts
 * when it was stamped before its own membership ended, and the word that ended it counts by the same rule: so
 * whom a revoked enroller revoked stays, also where its own revocation was made later by a clock that is behind.
 */
export class EnrollersWords {
  readonly #world: World;
  #words: Word[] = [];
  readonly #spokenOf = new Set<Machine>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Takes a word, and moves everybody to where the words leave them now. */
  say(word: Word): void {
    this.#words.push(word);
    this.#spokenOf.add(word.of);
    this.#judge();
  }

  /** Nobody asks an enroller any more that was revoked itself: whom it revoked before, and nobody heard of it, stays. */
  forgetUnheard(): void {
    const { machines } = this.#world;
    const isHeard = ({ by, of }: Word): boolean => {
      const slot = slotOf({ key: goneKey(of.identity.id), author: by.identity.id });
      return machines.some(({ disk }) => disk.stored(slot) !== undefined);
    };
    this.#words = this.#words.filter(
      (word) => word.says === "member" || machines.includes(word.by) || isHeard(word),
    );
    this.#judge();
  }

  #judge(): void {
    const { voids, revoked } = this.#judged();
    const { machines, departed } = this.#world;
    for (const machine of this.#spokenOf) {
      const how = voids.has(machine) ? "void" : revoked.has(machine) ? "revoked" : undefined;
      const at = departed.findIndex((each) => each.machine === machine && each.how !== "left");
      if (how !== undefined && machines.includes(machine)) this.#world.depart(machine, how);
      if (how !== undefined || at < 0) continue;
      departed.splice(at, 1);
      machines.push(machine);
      this.#world.trace.add(this.#world.now, "ROSTER", `${machine.name} stays: that word was void`);
    }
  }

  /** In the order of stamps each word is judged by those before it. */
  #judged(): { readonly voids: ReadonlySet<Machine>; readonly revoked: ReadonlySet<Machine> } {
    const voids = new Set<Machine>();
    const revoked = new Set<Machine>();
    for (const { says, by, of } of [...this.#words].sort((left, right) => left.version - right.version)) {
      const counts = !revoked.has(by) && !voids.has(by);
      if (says === "revoked" && counts) revoked.add(of);
      if (says === "member" && !counts) voids.add(of);
    }
    return { voids, revoked };
  }
}
