import type { Duration, Instant } from "../core/kernel/time.ts";
import type { DialFailure } from "../core/membership/contract.ts";
import type { EventQueue } from "./event-queue.ts";
import { alone, type Shard } from "./shard.ts";
import type { Opening, Packet } from "./streams.ts";

/** What one host's network says to another's, wherever that is simulated; it happens there at `at`. */
export type Message = { readonly at: Instant } & (
  | {
      readonly type: "packet";
      readonly id: number;
      readonly packet: Packet;
      readonly opening?: Opening | undefined;
    }
  /** The caller's SYN, as it is answered. */
  | {
      readonly type: "call";
      readonly call: Call;
      readonly roundTrip: Duration;
      readonly via: number | undefined;
    }
  /** The caller asks a relay for a way, and after it the others. */
  | {
      readonly type: "ask";
      readonly call: Call;
      readonly relay: number;
      readonly others: readonly number[];
      readonly hop: Duration;
    }
  | { readonly type: "failed"; readonly call: Call; readonly why: DialFailure }
);

/** A dial of one process. */
export type Call = { readonly from: number; readonly process: number; readonly to: number };

/** Brings messages to hosts: of our own at their time, of others when all simulators meet. */
export class Mail {
  readonly shard: Shard;
  readonly #queue: EventQueue;
  readonly #shardOf: (host: number) => number;
  readonly #arrived: (message: Message) => void;
  #out: Message[][] = [];

  constructor(
    queue: EventQueue,
    shard: Shard | undefined,
    shardOf: (host: number) => number,
    arrived: (message: Message) => void,
  ) {
    this.shard = shard ?? alone;
    this.#queue = queue;
    this.#shardOf = shardOf;
    this.#arrived = arrived;
    this.#empty();
  }

  isOurs(host: number): boolean {
    return this.#shardOf(host) === this.shard.number;
  }

  post(host: number, message: Message): void {
    if (this.isOurs(host)) this.#queue.schedule(message.at, () => this.#arrived(message));
    else this.#out[this.#shardOf(host)]?.push(message);
  }

  /** All simulators have come to the same moment: whatever they sent happens later than this. */
  exchange(): void {
    const out = this.#out;
    this.#empty();
    for (const messages of this.shard.exchange(out))
      for (const message of messages) this.#queue.schedule(message.at, () => this.#arrived(message));
  }

  #empty(): void {
    this.#out = Array.from({ length: this.shard.of }, () => []);
  }
}
