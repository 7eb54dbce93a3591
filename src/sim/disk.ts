import { below, between, type Random } from "../core/kernel/random.ts";
import type { EventQueue } from "./event-queue.ts";

type Puts = readonly { readonly slot: string; readonly bytes: Uint8Array | undefined }[];
type Transaction = {
  readonly puts: Puts;
  readonly done: (failure: string | undefined) => void;
  lost: boolean;
};

/**
 * A disk with atomic transactions, in order, a few milliseconds each. A crash keeps any prefix of what
 * was under way: what was acknowledged is safe, what was not may be there or not.
 */
export class SimDisk {
  readonly #durable = new Map<string, Uint8Array>();
  readonly #preloaded = new Map<string, Uint8Array>();
  readonly #queue: EventQueue;
  readonly #now: () => number;
  readonly #random: Random;
  #underWay: Transaction[] = [];
  #freeAt = 0;
  full = false;
  /** Whether what is written can be read again: a fleet of thousands does without, but for those that restart. */
  keeps = true;

  constructor(queue: EventQueue, now: () => number, random: Random) {
    this.#queue = queue;
    this.#now = now;
    this.#random = random;
  }

  frames(): Uint8Array[] {
    return [...this.#durable.keys()].sort().flatMap((slot) => this.#durable.get(slot) ?? []);
  }

  /** What would be read after a crash now. */
  stored(slot: string): Uint8Array | undefined {
    return this.#durable.get(slot);
  }

  /** Puts something there before the machine first runs. */
  preload(slot: string, bytes: Uint8Array): void {
    this.#preloaded.set(slot, bytes);
    this.#durable.set(slot, bytes);
  }

  /** The database is lost; what the machine got with its invite is kept beside it. */
  lose(): void {
    this.#durable.clear();
    for (const [slot, bytes] of this.#preloaded) this.#durable.set(slot, bytes);
  }

  write(puts: Puts, done: (failure: string | undefined) => void): void {
    const transaction: Transaction = { puts, done, lost: false };
    this.#underWay.push(transaction);
    this.#freeAt = Math.max(this.#now(), this.#freeAt) + between(this.#random, 0.5, 6);
    this.#queue.schedule(this.#freeAt, () => {
      if (transaction.lost) return;
      this.#underWay.shift();
      if (this.full) return done("no space left on device");
      this.#apply(transaction);
      done(undefined);
    });
  }

  /** The process or the machine is gone in the middle of its writes. */
  crash(): void {
    const survivors = below(this.#random, this.#underWay.length + 1);
    this.#underWay.forEach((transaction, at) => {
      transaction.lost = true;
      if (at < survivors && !this.full) this.#apply(transaction);
    });
    this.#underWay = [];
    this.#freeAt = 0;
  }

  #apply({ puts }: Transaction): void {
    if (!this.keeps) return;
    for (const { slot, bytes } of puts) {
      if (bytes === undefined) this.#durable.delete(slot);
      else this.#durable.set(slot, bytes);
    }
  }
}
