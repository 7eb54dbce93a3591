import { below, between, type Random } from "../core/kernel/random.ts";
import type { EventQueue } from "./event-queue.ts";

type Puts = readonly { readonly slot: string; readonly bytes: Uint8Array | undefined }[];
/** What is on a disk before the machine first runs; lists that many disks share. */
export type Preload = { readonly slot: string; readonly bytes: Uint8Array };
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
  /** What was written, over what was there from the start; undefined where it was deleted. */
  readonly #durable = new Map<string, Uint8Array | undefined>();
  #preloaded: readonly Preload[] = [];
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
    const bySlot = new Map<string, Uint8Array | undefined>();
    for (const { slot, bytes } of this.#preloaded) bySlot.set(slot, bytes);
    for (const [slot, bytes] of this.#durable) bySlot.set(slot, bytes);
    return [...bySlot.keys()].sort().flatMap((slot) => bySlot.get(slot) ?? []);
  }

  /** What would be read after a crash now. */
  stored(slot: string): Uint8Array | undefined {
    if (this.#durable.has(slot)) return this.#durable.get(slot);
    return this.#preloaded.findLast((held) => held.slot === slot)?.bytes;
  }

  /** Puts something there before the machine first runs. */
  preload(held: readonly Preload[]): void {
    this.#preloaded = held;
  }

  /** The database is lost; what the machine got with its invite is kept beside it. */
  lose(): void {
    this.#durable.clear();
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
      if (bytes !== undefined || this.#preloaded.some((held) => held.slot === slot))
        this.#durable.set(slot, bytes);
      else this.#durable.delete(slot);
    }
  }
}
