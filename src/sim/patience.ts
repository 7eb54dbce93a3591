import type { World } from "./world.ts";

/**
 * What may be so for a moment, and not for longer: each look says everything that is wrong, and what has been
 * wrong at every look for as long as it may is violated, once.
 */
export class Patience {
  readonly #world: World;
  readonly #since = new Map<string, number>();
  readonly #told = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** @param wrong What is wrong now, and for how many ms it may be. */
  look(wrong: ReadonlyMap<string, number>): void {
    const { now } = this.#world;
    for (const what of this.#since.keys()) if (!wrong.has(what)) this.#since.delete(what);
    for (const [what, may] of wrong) {
      const since = this.#since.get(what) ?? now;
      this.#since.set(what, since);
      if (now - since < may || this.#told.has(what)) continue;
      this.#told.add(what);
      this.#world.violated(`${what}, for ${Math.round((now - since) / 1_000)} s`);
    }
  }
}
