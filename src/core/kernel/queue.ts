/** A first-in first-out queue with a bound: when full, the oldest entry is dropped and counted. */
export class BoundedQueue<T> {
  readonly #countMax: number;
  #items: T[] = [];
  #head = 0;
  /** How many entries were dropped because the queue was full. */
  dropped = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    if (this.size >= this.#countMax) {
      this.shift();
      this.dropped++;
    }
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (this.size === 0) return undefined;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** The entries, oldest first. */
  list(): readonly T[] {
    return this.#items.slice(this.#head);
  }
}
