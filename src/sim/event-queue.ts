import type { Instant } from "../core/kernel/time.ts";

/** What happens at a moment of virtual time. Ties are broken by the order of scheduling. */
type Entry = { readonly at: Instant; readonly order: number; readonly run: () => void };

/** A binary heap of events: the only source of order in the simulator. */
export class EventQueue {
  readonly #heap: Entry[] = [];
  #scheduled = 0;

  get size(): number {
    return this.#heap.length;
  }

  schedule(at: Instant, run: () => void): void {
    const entry = { at, order: this.#scheduled++, run };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(entry);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, entry)) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = entry;
  }

  /** Takes the earliest event; undefined when there is none up to and including `until`. */
  next(until: Instant): Entry | undefined {
    const heap = this.#heap;
    const [first] = heap;
    if (first === undefined || first.at > until) return undefined;
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      let least = heap[child];
      if (least === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, least)) {
        least = right;
        child++;
      }
      if (before(entry, least)) break;
      heap[hole] = least;
      hole = child;
    }
    heap[hole] = entry;
  }
}

function before(left: Entry, right: Entry): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}
