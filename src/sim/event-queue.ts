import type { Instant } from "../core/kernel/time.ts";

/** What happens at a moment of virtual time. Ties are broken by the order of scheduling. */
type Entry = { readonly at: Instant; readonly run: () => void };

/** Each place of the heap has so many below it, side by side in memory: a large fleet has 100,000 events ahead. */
const fanOut = 4;
const roomFirst = 1_024;

/**
 * A heap of events: the only source of order in the simulator. Moments and orders lie in arrays of numbers, so
 * that finding the next event looks at few places of memory, however many there are.
 */
export class EventQueue {
  #at = new Float64Array(roomFirst);
  #order = new Float64Array(roomFirst);
  readonly #run: (() => void)[] = [];
  #scheduled = 0;

  get size(): number {
    return this.#run.length;
  }

  schedule(at: Instant, run: () => void): void {
    const order = this.#scheduled++;
    let hole = this.#run.length;
    this.#run.push(run);
    if (hole >= this.#at.length) this.#grow();
    while (hole > 0) {
      const parent = Math.floor((hole - 1) / fanOut);
      if (!this.#isAfter(parent, at, order)) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, at, order, run);
  }

  /** Takes the earliest event; undefined when there is none up to and including `until`. */
  next(until: Instant): Entry | undefined {
    const [first] = this.#run;
    const at = this.#at[0] ?? 0;
    if (first === undefined || at > until) return undefined;
    const last = this.#run.pop();
    const left = this.#run.length;
    if (last !== undefined && left > 0) this.#sink(this.#at[left] ?? 0, this.#order[left] ?? 0, last);
    return { at, run: first };
  }

  #sink(at: Instant, order: number, run: () => void): void {
    const { length } = this.#run;
    let hole = 0;
    for (;;) {
      const from = fanOut * hole + 1;
      if (from >= length) break;
      let least = from;
      const end = Math.min(from + fanOut, length);
      for (let child = from + 1; child < end; child++)
        if (this.#isAfter(least, this.#at[child] ?? 0, this.#order[child] ?? 0)) least = child;
      if (this.#isAfter(least, at, order)) break;
      this.#move(least, hole);
      hole = least;
    }
    this.#put(hole, at, order, run);
  }

  /** Whether what lies there comes after a moment and an order. */
  #isAfter(place: number, at: Instant, order: number): boolean {
    const there = this.#at[place] ?? 0;
    return there > at || (there === at && (this.#order[place] ?? 0) > order);
  }

  #move(from: number, to: number): void {
    const run = this.#run[from];
    if (run !== undefined) this.#put(to, this.#at[from] ?? 0, this.#order[from] ?? 0, run);
  }

  #put(place: number, at: Instant, order: number, run: () => void): void {
    this.#at[place] = at;
    this.#order[place] = order;
    this.#run[place] = run;
  }

  #grow(): void {
    const [at, order] = [new Float64Array(2 * this.#at.length), new Float64Array(2 * this.#at.length)];
    at.set(this.#at);
    order.set(this.#order);
    this.#at = at;
    this.#order = order;
  }
}
